package boltstore

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

func TestNewFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, newClock())
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestFileThatOthersCanReachIsRefused(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "store.db")
	if err := open(t, path, newClock()).Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(folder, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]string{"a link": link, "a folder": private} {
		if _, err := Open(p, Options{}); !errors.Is(err, ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), path) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestMissingFolderIsAnError(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no", "store.db"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestFileInUseIsRefusedSoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, newClock())
	began := time.Now()
	_, err := Open(path, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); d < lockWait/2 || d > 10*lockWait {
		t.Errorf("after %v", d)
	}
}

// Each record is whole, but one of the two that belong together is missing.
func TestEntriesAndLogMustNameEachOther(t *testing.T) {
	for _, bucket := range [][]byte{entryBucket, logBucket} {
		t.Run(string(bucket), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			filled(t, path)
			s := open(t, path, newClock())
			err := s.update(func(tx *bolt.Tx) error {
				k, _ := tx.Bucket(bucket).Cursor().First()
				return tx.Bucket(bucket).Delete(k)
			})
			if err = errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, newClock())
	err := s.update(func(tx *bolt.Tx) error {
		return tx.Bucket(metaBucket).Put(formatKey, sealed(formatKey, []byte{2}))
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("a later format: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("somebody else's file: %v", err)
	}
}

// filled is a store with entries and states, closed again.
func filled(t *testing.T, path string) {
	t.Helper()
	c := newClock()
	s := open(t, path, c)
	for range 20 {
		es := make([]revocation.Entry, 20)
		for i := range es {
			es[i] = revocation.SessionEntry(tokens.NewID(), c.now(), c.now().Add(time.Hour))
		}
		if err := s.Append(context.Background(), es...); err != nil {
			t.Fatal(err)
		}
	}
	p := authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: c.now().UnixMilli(), SessionEnd: c.now().Add(time.Hour)}
	c.pass(time.Minute)
	for range 50 {
		p.SessionID = tokens.NewID()
		if out, err := s.Present(context.Background(), p); err != nil || out.Verdict != authsvc.Advance {
			t.Fatal(out, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// records is all that a file holds, as one text.
func records(t *testing.T, s *Store) string {
	t.Helper()
	var all strings.Builder
	err := s.view(context.Background(), func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				all.WriteString(string(name) + "\x00" + string(k) + "\x00" + string(v) + "\x00")
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// used is the part of a file that pages are in.
func used(t *testing.T, raw []byte) []byte {
	t.Helper()
	pages := &tree{file: bytes.NewReader(raw), page: int64(os.Getpagesize())}
	if _, err := pages.readMetas(); err != nil {
		t.Fatal(err)
	}
	return raw[:int64(pages.high)*pages.page]
}

// A damaged file is refused, or the damage is in bytes that mean nothing and
// all records are as they were. It is never a panic, and never a wrong record.
func TestDamagedFileIsRefusedOrWhole(t *testing.T) {
	folder := t.TempDir()
	path, copied := filepath.Join(folder, "store.db"), filepath.Join(folder, "copy.db")
	filled(t, path)
	s := open(t, path, newClock())
	want := records(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good = used(t, good)
	metas := 2 * os.Getpagesize()
	rng, refused := rand.New(rand.NewPCG(3, 4)), 0
	for i := range 300 {
		raw := append([]byte(nil), good...)
		switch i % 3 {
		case 0:
			raw[metas+rng.IntN(len(raw)-metas)] ^= 1 << rng.IntN(8)
		case 1:
			raw = raw[:1+rng.IntN(len(raw)-1)]
		case 2:
			page := metas + rng.IntN((len(raw)-metas)/metas)*metas
			clear(raw[page : page+metas])
		}
		if err := os.WriteFile(copied, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(copied, Options{})
		if err != nil {
			refused++
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
				t.Errorf("damage %d: not named as such: %v", i, err)
			}
			continue
		}
		got := records(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("damage %d: closing: %v", i, err)
		}
		if got != want {
			t.Errorf("damage %d went unnoticed", i)
		}
	}
	if refused < 50 {
		t.Errorf("only %d of 300 were refused", refused)
	}
}

// One meta page is always a commit behind the other: losing one loses at most
// the last commit, losing both is damage.
func TestOneDamagedMetaPageIsSurvived(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	filled(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for i := range 2 {
		raw := append([]byte(nil), good...)
		raw[i*page+pageHead+20] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t, path, newClock()).Close(); err != nil {
			t.Errorf("meta page %d: %v", i, err)
		}
	}
	good[pageHead+20] ^= 1
	good[page+pageHead+20] ^= 1
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("both: %v", err)
	}
}

func TestEmptyFileBecomesANewStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, newClock())
}
