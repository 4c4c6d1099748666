package ringfile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/keys"
)

// watcher runs a Watch with a poll that the test drives.
type watcher struct {
	rings  chan *keys.Ring
	faults chan error
	tick   chan time.Time
	cancel context.CancelFunc
	done   chan error
}

func watch(t *testing.T, f *File) *watcher {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{make(chan *keys.Ring, 100), make(chan error, 100), make(chan time.Time), cancel, make(chan error, 1)}
	go func() {
		w.done <- f.watch(ctx, func(r *keys.Ring) { w.rings <- r }, func(err error) { w.faults <- err }, w.tick)
	}()
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) stop() { w.cancel(); <-w.done; w.done <- nil }

func (w *watcher) ring(t *testing.T, generation uint64) {
	t.Helper()
	select {
	case r := <-w.rings:
		if r.Generation() != generation {
			t.Fatalf("told of generation %d, want %d", r.Generation(), generation)
		}
	case err := <-w.faults:
		t.Fatalf("a fault instead of generation %d: %v", generation, err)
	case <-time.After(10 * time.Second):
		t.Fatalf("never told of generation %d", generation)
	}
}

func (w *watcher) fault(t *testing.T, want error) {
	t.Helper()
	select {
	case err := <-w.faults:
		if !errors.Is(err, want) {
			t.Fatalf("fault %v, want %v", err, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("never told of %v", want)
	}
}

func fixture(t *testing.T) (string, MasterKey, *File) {
	t.Helper()
	path, master := filepath.Join(t.TempDir(), "ring.jwe"), NewMasterKey()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(path, master, ring); err != nil {
		t.Fatal(err)
	}
	return path, master, reopen(t, path, master)
}

func reopen(t *testing.T, path string, master MasterKey) *File {
	t.Helper()
	f, err := Open(path, master)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// touch confirms a standby once more: a change that can be had at any time.
func touch(t *testing.T, f *File) {
	t.Helper()
	_, err := f.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) {
		for _, k := range r.Keys() {
			if s, _ := r.State(k.ID, time.Now()); s == keys.Standby {
				return r.Confirm(k.ID, time.Now(), time.Now())
			}
		}
		return nil, errors.New("no standby")
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchTellsOfTheFirstRingAndOfEachChange(t *testing.T) {
	defer goleak.VerifyNone(t)
	path, master, f := fixture(t)
	w := watch(t, f)
	w.ring(t, 1)
	touch(t, reopen(t, path, master)) // another process
	w.ring(t, 2)
	touch(t, f) // this one
	w.ring(t, 3)
	if f.Ring().Generation() != 3 {
		t.Errorf("the copy has generation %d", f.Ring().Generation())
	}
	w.stop()
}

func TestWatchKeepsTheRingWhenTheFileIsSpoiltAndSaysSoOnce(t *testing.T) {
	path, master, f := fixture(t)
	first := content(t, path)
	touch(t, f)
	second := content(t, path)
	w := watch(t, f)
	w.ring(t, 2)
	for _, c := range []struct {
		name  string
		spoil func() error
		want  error
	}{
		{"cut off", func() error { return replace(path, second[:len(second)-1]) }, ErrDamaged},
		{"an old one restored", func() error { return replace(path, first) }, ErrRollback},
		{"readable by others", func() error { return errors.Join(replace(path, second), os.Chmod(path, 0o644)) }, ErrUnsafe},
		{"removed", func() error { return os.Remove(path) }, os.ErrNotExist},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		w.tick <- time.Time{} // the chmod alone may fall between two looks
		w.fault(t, c.want)
		w.tick <- time.Time{}
		w.tick <- time.Time{} // the first was fully served
		if len(w.faults) > 0 {
			t.Errorf("%s: told again: %v", c.name, <-w.faults)
		}
		if f.Ring().Generation() != 2 {
			t.Errorf("%s: the copy has generation %d", c.name, f.Ring().Generation())
		}
	}
	if err := replace(path, second); err != nil {
		t.Fatal(err)
	}
	touch(t, reopen(t, path, master))
	w.ring(t, 3)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.fault(t, os.ErrNotExist) // gone in between, so it is told again
}

func TestARunningServiceKeepsItsKeysThroughEveryFlipAndTruncation(t *testing.T) {
	path, _, f := fixture(t)
	ring, good := f.Ring(), content(t, path)
	spoil := func(what string, i int, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, perm); err != nil {
			t.Fatal(err)
		}
		if err := f.load(); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMasterKey) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %d: %v", what, i, err)
		}
		if f.Ring() != ring {
			t.Fatalf("%s %d: the ring is another one", what, i)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		spoil("a flip in byte", i, bad)
		spoil("cut off at byte", i, good[:i])
	}
	if err := os.WriteFile(path, good, perm); err != nil {
		t.Fatal(err)
	}
	touch(t, f)
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// replace is what a careful stranger does to a file.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func TestThePollFindsAFolderThatWasSwapped(t *testing.T) {
	path, master, _ := fixture(t)
	base := t.TempDir()
	link := filepath.Join(base, "..data")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		t.Fatal(err)
	}
	linked := reopen(t, filepath.Join(link, "ring.jwe"), master)
	w := watch(t, linked)
	w.ring(t, 1)

	// As Kubernetes does: a whole new folder, then the link moves to it.
	next := filepath.Join(base, "next")
	if err := os.CopyFS(next, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ring.jwe", "ring.jwe.seen", "ring.jwe.lock"} { // CopyFS forgets modes
		if err := os.Chmod(filepath.Join(next, name), perm); err != nil {
			t.Fatal(err)
		}
	}
	touch(t, reopen(t, filepath.Join(next, "ring.jwe"), master))
	if err := errors.Join(os.Symlink(next, link+"_tmp"), os.Rename(link+"_tmp", link)); err != nil {
		t.Fatal(err)
	}
	w.tick <- time.Time{}
	w.ring(t, 2)

	touch(t, reopen(t, filepath.Join(next, "ring.jwe"), master))
	w.ring(t, 3) // without a poll: the new folder is watched
}

func TestCheckedMovesWithEachGoodLookAlone(t *testing.T) {
	path, _, f := fixture(t)
	before := f.Checked()
	if err := f.load(); err != nil || !f.Checked().After(before) {
		t.Errorf("after a good look: %v, %v", f.Checked().Sub(before), err)
	}
	before = f.Checked()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.load(); err == nil || !f.Checked().Equal(before) {
		t.Errorf("after a bad look: %v, %v", f.Checked().Sub(before), err)
	}
}

func TestAFileOfAnotherUserIsRefused(t *testing.T) {
	path, _, _ := fixture(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkFile(info, os.Geteuid()); err != nil {
		t.Error(err)
	}
	if err := checkFile(info, os.Geteuid()+1); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("another user's: %v", err)
	}
}

func TestTheHeaderIsTheOneThatTheLibraryWrites(t *testing.T) {
	path, master, _ := fixture(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := masterOf("", string(data), []MasterKey{{}, master}); err != nil {
		t.Error(err)
	}
}
