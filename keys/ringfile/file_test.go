package ringfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// create writes a fresh ring into a folder of its own.
func create(t testing.TB) (string, ringfile.MasterKey) {
	t.Helper()
	path, master := filepath.Join(t.TempDir(), "ring.jwe"), ringfile.NewMasterKey()
	if err := ringfile.Create(path, master, newRing(t)); err != nil {
		t.Fatal(err)
	}
	return path, master
}

func open(t testing.TB, path string, master ringfile.MasterKey, previous ...ringfile.MasterKey) *ringfile.File {
	t.Helper()
	f, err := ringfile.Open(path, master, previous...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rotateFeed(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(keys.Feed, keys.Plan{}, time.Now())
}

// change makes any new generation, as often as it is asked to.
func change(r *keys.Ring) (*keys.Ring, error) {
	for _, k := range r.Keys() {
		if s, _ := r.State(k.ID, time.Now()); s == keys.Standby {
			return r.Confirm(k.ID, time.Now(), time.Now())
		}
	}
	return nil, errors.New("no standby")
}

func update(t testing.TB, f *ringfile.File) *keys.Ring {
	t.Helper()
	r, err := f.Update(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	path, master := create(t)
	f := open(t, path, master)
	want := update(t, f)
	got := open(t, path, master).Ring()
	a, _ := want.MarshalJSON()
	b, _ := got.MarshalJSON()
	if got.Generation() != 2 || string(a) != string(b) {
		t.Errorf("generation %d came back as %d", want.Generation(), got.Generation())
	}
	if f.Ring() != want {
		t.Error("the copy is not what was written")
	}
	for _, name := range []string{path, path + ".seen", path + ".lock"} {
		info, err := os.Lstat(name)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if mark := read(t, path+".seen"); string(mark) != "2" {
		t.Errorf("the mark is %q", mark)
	}
}

func TestAWrittenRingIsItsOwnersAloneWhateverTheModeWas(t *testing.T) {
	path, master := create(t)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	update(t, open(t, path, master))
	if info, _ := os.Lstat(path); info.Mode() != 0o600 {
		t.Errorf("mode %v after writing", info.Mode())
	}
}

func TestCreateNeverReplacesARing(t *testing.T) {
	path, master := create(t)
	before := read(t, path)
	if err := ringfile.Create(path, master, newRing(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second Create: %v", err)
	}
	if string(read(t, path)) != string(before) {
		t.Error("the ring changed")
	}
	update(t, open(t, path, master))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := ringfile.Create(path, master, newRing(t)); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("a first generation where the second was: %v", err)
	}
}

// Whoever holds the lost ring's keys would be told that they never existed.
func TestCreateDoesNotTakeTheLostRingsPlace(t *testing.T) {
	path, master := create(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := ringfile.Create(path, master, newRing(t)); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("a first generation where a first one was: %v", err)
	}
	if err := os.Remove(path + ".seen"); err != nil {
		t.Fatal(err)
	}
	if err := ringfile.Create(path, master, newRing(t)); err != nil {
		t.Errorf("after the mark was removed on purpose: %v", err)
	}
}

func TestAChangeOnTheSameRingIsToldThatItCameTooLate(t *testing.T) {
	path, master := create(t)
	a, b := open(t, path, master), open(t, path, master)
	update(t, a)
	called := false
	_, err := b.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { called = true; return change(r) })
	if !errors.Is(err, ringfile.ErrConflict) || called {
		t.Fatalf("Update = %v, planned: %v", err, called)
	}
	if b.Ring().Generation() != 2 {
		t.Errorf("the copy of the loser has generation %d", b.Ring().Generation())
	}
	if r := update(t, b); r.Generation() != 3 {
		t.Errorf("planning again gave generation %d", r.Generation())
	}
}

func TestAnUpdateThatDoesNothingOrFailsWritesNothing(t *testing.T) {
	path, master := create(t)
	f, before, mine := open(t, path, master), read(t, path), errors.New("mine")
	older := f.Ring()
	for _, c := range []struct {
		name string
		plan func(*keys.Ring) (*keys.Ring, error)
		want error
	}{
		{"the ring it was given", func(r *keys.Ring) (*keys.Ring, error) { return r, nil }, nil},
		{"a ring of the same generation", func(*keys.Ring) (*keys.Ring, error) { return newRing(t), nil }, ringfile.ErrRollback},
		{"no ring", func(*keys.Ring) (*keys.Ring, error) { return nil, nil }, ringfile.ErrRollback},
		{"an error", func(*keys.Ring) (*keys.Ring, error) { return nil, mine }, mine},
	} {
		if _, err := f.Update(t.Context(), c.plan); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if string(read(t, path)) != string(before) || f.Ring() != older {
			t.Errorf("%s: something was written", c.name)
		}
	}
}

func TestUpdateWaitsForTheLockNoLongerThanItsContext(t *testing.T) {
	path, master := create(t)
	f, other := open(t, path, master), open(t, path, master)
	_, err := f.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := other.Update(ctx, change); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another holds the lock: %v", err)
		}
		return change(r)
	})
	if err != nil {
		t.Error(err)
	}
}

// In the place of the lock a pipe could be waited for without end, and a link
// could lead to a file of somebody else's.
func TestALockThatIsNoFileIsNotWaitedFor(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"a pipe":          mkfifo,
		"a symbolic link": func(p string) error { return os.Symlink(p+".real", p) },
	} {
		path, master := create(t)
		f := open(t, path, master)
		if err := errors.Join(os.Remove(path+".lock"), put(path+".lock")); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := f.Update(t.Context(), change)
			ended <- err
		}()
		select {
		case err := <-ended:
			if _, there := os.Lstat(path + ".lock.real"); err != nil == (name == "a pipe") || there == nil {
				t.Errorf("%s: %v; what it leads to: %v", name, err, there)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: still waiting", name)
		}
	}
}

func TestAnOlderRingIsRefusedAndTheCopyStays(t *testing.T) {
	path, master := create(t)
	first := read(t, path)
	f := open(t, path, master)
	second := update(t, f)
	write(t, path, first)
	if _, err := ringfile.Open(path, master); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("a new process, by the mark: %v", err)
	}
	if err := os.Remove(path + ".seen"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(t.Context(), change); !errors.Is(err, ringfile.ErrRollback) || !strings.Contains(err.Error(), "generation 1 after 2") {
		t.Errorf("the same process, by its copy: %v", err)
	}
	if f.Ring() != second {
		t.Error("the copy is gone")
	}
	if _, err := ringfile.Open(path, master); err != nil {
		t.Errorf("after the mark was removed on purpose: %v", err)
	}
}

func TestAnotherRingOfTheSameGenerationIsRefused(t *testing.T) {
	path, master := create(t)
	f := open(t, path, master)
	other, err := ringfile.Seal(newRing(t), master)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, other)
	if _, err := f.Update(t.Context(), change); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("a forked ring: %v", err)
	}
}

func TestADamagedMarkIsSaidAndNotIgnored(t *testing.T) {
	path, master := create(t)
	for _, text := range []string{"", "x", "01", "1\n", "-1", strings.Repeat("9", 30)} {
		write(t, path+".seen", []byte(text))
		if _, err := ringfile.Open(path, master); !errors.Is(err, ringfile.ErrDamaged) || !strings.Contains(err.Error(), ".seen") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestUnsafeFilesAreRefusedByName(t *testing.T) {
	path, master := create(t)
	good := read(t, path)
	for _, mode := range []fs.FileMode{0o601, 0o604, 0o610, 0o640, 0o660, 0o644, 0o700, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ringfile.Open(path, master); !errors.Is(err, ringfile.ErrUnsafe) || !strings.Contains(err.Error(), path) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	for name, make := range map[string]func(string) error{
		"a symbolic link": func(p string) error {
			write(t, p+".real", good)
			return os.Symlink(p+".real", p)
		},
		"a folder": func(p string) error { return os.Mkdir(p, 0o600) },
		"a pipe":   mkfifo,
	} {
		p := filepath.Join(t.TempDir(), "ring.jwe")
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if _, err := ringfile.Open(p, master); !errors.Is(err, ringfile.ErrUnsafe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ringfile.Open(path+".none", master); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestAFolderMayBeReachedThroughASymbolicLink(t *testing.T) {
	path, master := create(t)
	link := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		t.Fatal(err)
	}
	update(t, open(t, filepath.Join(link, "ring.jwe"), master))
	if g := open(t, path, master).Ring().Generation(); g != 2 {
		t.Errorf("generation %d", g)
	}
}

func TestTheMasterKeyIsChangedByAddingPromotingAndRewrapping(t *testing.T) {
	path, old := create(t)
	fresh := ringfile.NewMasterKey()
	if _, err := ringfile.Open(path, fresh); !errors.Is(err, ringfile.ErrMasterKey) || !strings.Contains(err.Error(), old.ID()) {
		t.Fatalf("with the new key alone: %v", err)
	}
	reader := open(t, path, old, fresh)
	writer := open(t, path, fresh, old)
	if err := writer.Rewrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ringfile.Open(path, old); !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("with the old key alone: %v", err)
	}
	if g := open(t, path, fresh).Ring().Generation(); g != 1 {
		t.Errorf("rewrapping changed the generation to %d", g)
	}
	if _, err := reader.Update(t.Context(), change); err != nil {
		t.Errorf("a process that has both: %v", err)
	}
}

func TestTheLeftoversOfKilledWritersAreSwept(t *testing.T) {
	path, master := create(t)
	folder := filepath.Dir(path)
	for _, name := range []string{".ring.jwe123", ".ring.jwe.seen9"} {
		write(t, filepath.Join(folder, name), nil)
	}
	for _, name := range []string{"123", ".ring.jwe-mine", ".other.jwe123", "ring.jwe123"} {
		write(t, filepath.Join(folder, name), nil)
	}
	update(t, open(t, path, master))
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := fmt.Sprint(names); got != "[.other.jwe123 .ring.jwe-mine 123 ring.jwe ring.jwe.lock ring.jwe.seen ring.jwe123]" {
		t.Error(got)
	}
}
