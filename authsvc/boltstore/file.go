package boltstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors of Open; ErrDamaged also of every other call, when a page turns out
// to be damaged or unreadable later.
var (
	ErrLocked     = errors.New("in use by another process")
	ErrPermission = errors.New("must be a regular file that only its owner can read and write (mode 0600)")
	ErrDamaged    = errors.New("damaged: restore it from a backup, or move it away and let every session log in again")
	ErrFormat     = errors.New("written in a format that this version does not know")
)

// lockWait is how long Open waits for another process to let go of the file:
// enough for the predecessor of a restarted service.
const lockWait = time.Second

// mapped is the address space taken at once, so that a growing file seldom
// has to wait for readers to be mapped anew. It takes no memory.
const mapped = 256 << 20

// growBy is how much the file grows at once.
const growBy = 1 << 20

func (s *Store) open(path string) error {
	isNew, err := checkFile(path)
	if err == nil && !isNew {
		err = inspect(path)
	}
	if err != nil {
		return err
	}
	s.db, err = openBolt(path, bolt.Options{
		Timeout:         lockWait,
		FreelistType:    bolt.FreelistMapType,
		NoFreelistSync:  true, // rebuilt from the tree, which is read anyway
		InitialMmapSize: mapped,
	})
	if err != nil {
		return err
	}
	s.db.AllocSize = growBy
	s.update = func(f func(*bolt.Tx) error) error {
		return closedError(guard(func() error { return s.db.Update(f) }))
	}
	if err = s.load(); err == nil && isNew {
		err = syncFolder(path)
	}
	if err != nil {
		return errors.Join(err, guard(s.db.Close))
	}
	return nil
}

func openBolt(path string, opt bolt.Options) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &opt)
		return err
	})
	return db, openError(err)
}

// inspect walks the file's pages, under bbolt's lock for readers.
func inspect(path string) error {
	var file *os.File
	db, err := openBolt(path, bolt.Options{
		Timeout:  lockWait,
		ReadOnly: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkPages(file, info.Size(), db.Info().PageSize)
	}
	return errors.Join(err, guard(db.Close))
}

// checkFile looks before bbolt opens, because bbolt follows any link and
// takes any mode.
func checkFile(path string) (isNew bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return false, fmt.Errorf("%v: %w", info.Mode(), ErrPermission)
	}
	return info.Size() == 0, nil
}

func openError(err error) error {
	var path *fs.PathError
	switch {
	case err == nil, errors.Is(err, ErrDamaged), errors.As(err, &path):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return ErrFormat
	}
	return fmt.Errorf("%w (%w)", ErrDamaged, err) // bbolt has many words for it
}

// load makes the buckets of a new file, or checks all of an old one.
func (s *Store) load() error {
	isEmpty := false
	err := guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if k, _ := tx.Cursor().First(); k == nil {
				isEmpty = true
				return nil
			}
			return s.check(tx)
		})
	})
	if err != nil {
		return err
	}
	if isEmpty {
		return s.update(func(tx *bolt.Tx) error { return s.create(tx) })
	}
	return s.addBuckets()
}

func (s *Store) create(tx *bolt.Tx) error {
	for _, name := range [][]byte{metaBucket, entryBucket, logBucket, refreshBucket, dataBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	var epoch [8]byte
	for s.meta.epoch == 0 {
		_, _ = rand.Read(epoch[:]) // never fails
		s.meta.epoch = binary.BigEndian.Uint64(epoch[:])
	}
	s.meta.born = s.now().UnixMilli()
	return s.meta.create(tx.Bucket(metaBucket))
}

// addBuckets makes what a file of before this version lacks. A version of before
// does not look at it.
func (s *Store) addBuckets() error {
	there := false
	err := s.db.View(func(tx *bolt.Tx) error { there = tx.Bucket(dataBucket) != nil; return nil })
	if err != nil || there {
		return err
	}
	return s.update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(dataBucket)
		return err
	})
}

// syncFolder makes a new file's name as durable as its content.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// guard turns a panic of bbolt on a damaged page, and a fault on a page of
// the mapped file that can not be read, into ErrDamaged. bbolt has let go of
// its locks by then.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, r)
		}
	}()
	return f()
}
