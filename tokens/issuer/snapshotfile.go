package issuer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// abandoned is the age from which a temporary file is that of a process that
// was killed while it wrote.
const abandoned = time.Minute

var errNoFile = errors.New("not a regular file of at most 64 MiB")

// readFile reads a snapshot file.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened, which a pipe might never be
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSnapshot {
		return nil, errNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSnapshot))
}

// writeFile replaces a snapshot file: whoever reads it finds the old content or
// the new, whenever the process or the machine ends. The folder is not synced,
// since after a loss of power the old content will do.
func writeFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), temporary(path)+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync() // or the name could come to the disk before the content
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return os.Rename(f.Name(), path)
}

// temporary is how the names of temporary files begin.
func temporary(path string) string { return "." + filepath.Base(path) + ".tmp-" }

// sweep removes temporary files that nobody will finish.
func sweep(path string, now time.Time) {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // writing will say so
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), temporary(path)) {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
