package ringfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// ErrUnsafe says that a file is not one that only its owner could have
// written.
var ErrUnsafe = errors.New("unsafe file")

// perm is what we write; what we read may have less, never more.
const perm fs.FileMode = 0o600

// readFile reads a file of at most limit bytes that belongs to us alone. All
// is judged on the open file, so that nothing can be swapped in between.
func readFile(path string, limit int64) ([]byte, error) {
	// O_NONBLOCK: opening a pipe must not wait for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: it is a symbolic link", ErrUnsafe)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkFile(info, os.Geteuid()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrDamaged, limit)
	}
	return data, nil
}

func checkFile(info fs.FileInfo, uid int) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is not a regular file", ErrUnsafe)
	}
	if mode := info.Mode().Perm(); mode&^perm != 0 {
		return fmt.Errorf("%w: its mode is %04o; chmod it to %04o", ErrUnsafe, mode, perm)
	}
	// Root, too, must be the owner: what it writes the service could not read.
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != uid {
		return fmt.Errorf("%w: it belongs to user %d, not to user %d", ErrUnsafe, stat.Uid, uid)
	}
	return nil
}

// writeFile replaces a file such that after a crash, at any moment, the old
// content or the new one is there, and after its return the new one.
func writeFile(path string, data []byte) error {
	folder := filepath.Dir(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(folder), renameio.WithStaticPermissions(perm))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := compare(f, data); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil { // fsync, rename
		return err
	}
	return syncFolder(folder) // renameio leaves this to us
}

// compare reads back what was written. A file system that says it wrote what
// it did not must not cost us the ring that the file is to replace.
func compare(f io.ReaderAt, data []byte) error {
	got := make([]byte, len(data)+1)
	n, err := f.ReadAt(got, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(got[:n], data) {
		return fmt.Errorf("%w: %d bytes became %d", io.ErrShortWrite, len(data), n)
	}
	return nil
}

func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// sweep removes the temporary files of writers that were killed. The caller
// holds the lock, so that no writer is alive.
func sweep(path string) {
	folder, prefix := filepath.Dir(path), "."+filepath.Base(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // tidying only
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), prefix)
		number = strings.TrimPrefix(number, markSuffix)
		if _, err := strconv.ParseUint(number, 10, 64); ours && err == nil {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}
