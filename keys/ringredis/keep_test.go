package ringredis_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// furnishDisk is furnish, with a copy on disk.
func furnishDisk(t *testing.T) room {
	t.Helper()
	r := furnish(t)
	r.cfg.CopyPath = filepath.Join(t.TempDir(), "ring.redis")
	return r
}

func (r room) disk() string {
	raw, _ := os.ReadFile(r.cfg.CopyPath)
	return string(raw)
}

// restarted is a fresh process on the same disk.
func (r room) restarted(t *testing.T) *ringredis.Shared {
	t.Helper()
	return open(t, r.other(t))
}

func TestTheCopyOnDiskIsWhatRedisHolds(t *testing.T) {
	r := furnishDisk(t)
	s := open(t, r.cfg)
	if r.disk() != r.value(t) {
		t.Error("after Open it is something else")
	}
	w := watch(t, s)
	admin := r.other(t)
	admin.CopyPath = ""
	update(t, open(t, admin), change) // by another: what is read counts too
	w.ring(t, 2)
	eventually(t, "the copy of generation 2", func() bool { return r.disk() == r.value(t) })
	info, err := os.Lstat(r.cfg.CopyPath)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	w.calm(t, s)
	if again, err := os.Lstat(r.cfg.CopyPath); err != nil || !os.SameFile(info, again) {
		t.Errorf("it was written again although nothing changed: %v", err)
	}
	if err := s.Rewrap(t.Context()); err != nil { // the same ring under another seal
		t.Fatal(err)
	}
	if r.disk() != r.value(t) {
		t.Error("after Rewrap it is something else")
	}
}

// Not only a replica that lives, also one that is started again brings back
// what Redis has lost.
func TestARestartedReplicaWritesBackWhatRedisLost(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(r room, first string)
		want error
	}{
		"the ring":          {func(r room, _ string) { r.server.Restart() }, ringredis.ErrLost},
		"a change":          {func(r room, first string) { r.server.Do("SET", key, first) }, ringfile.ErrRollback},
		"nothing: no alarm": {func(room, string) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := furnishDisk(t)
			first := r.value(t)
			want := update(t, open(t, r.cfg), burn)
			c.lose(r, first)
			s := r.restarted(t)
			if !errors.Is(s.Found(), c.want) || (c.want == nil) != (s.Found() == nil) {
				t.Errorf("found %v, want %v", s.Found(), c.want)
			}
			if got := open(t, r.other(t)).Ring(); !same(t, got, want) || !same(t, s.Ring(), want) {
				t.Errorf("in Redis is %v, here %v", got, s.Ring())
			}
			w := watch(t, s)
			if c.want != nil {
				w.fault(t, c.want) // where operators look
			}
			w.calm(t, s)
		})
	}
}

func TestAReplicaStartsWithItsCopyWhileRedisIsAway(t *testing.T) {
	for name, away := range map[string]func(room){
		"killed": func(r room) { r.server.Kill9() },
		"frozen": func(r room) { r.server.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			r := furnishDisk(t)
			r.cfg.Timeout = brief
			want := update(t, open(t, r.cfg), rotate)
			away(r)
			var s *ringredis.Shared
			within(t, 2*brief, "Open", func() { s = r.restarted(t) })
			if !errors.Is(s.Found(), ringredis.ErrUnavailable) || !same(t, s.Ring(), want) {
				t.Errorf("%v, found %v", s.Ring(), s.Found())
			}
			if _, err := s.Update(t.Context(), change); !errors.Is(err, ringredis.ErrUnavailable) {
				t.Errorf("Update: %v", err)
			}
			started := time.Now()
			w := watch(t, s)
			w.fault(t, ringredis.ErrUnavailable)
			if name == "killed" {
				r.server.Restart()
				w.fault(t, ringredis.ErrLost)
			} else {
				r.server.Cont()
			}
			eventually(t, "a good look", func() bool { return s.Checked().After(started) })
			w.silent(t)
		})
	}
}

// The lease is counted from when the copy was the ring, not from the start.
func TestARestartDoesNotRenewTheLease(t *testing.T) {
	r := furnishDisk(t)
	r.cfg.Timeout = brief
	s := open(t, r.cfg)
	r.server.Stop()
	defer r.server.Cont()
	if got := r.restarted(t).Checked(); got.Sub(s.Checked()).Abs() > time.Millisecond {
		t.Errorf("checked at %v, not %v", got, s.Checked())
	}
	for name, c := range map[string]struct{ age, want time.Duration }{
		"an hour ago":               {time.Hour, time.Hour},
		"a moment ahead":            {-30 * time.Second, 0},
		"in a time that is to come": {-time.Hour, time.Since(time.Time{})},
	} {
		then := time.Now().Add(-c.age)
		if err := os.Chtimes(r.cfg.CopyPath, then, then); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(r.restarted(t).Checked()); (got - c.want).Abs() > 20*time.Second {
			t.Errorf("%s: %v old, want %v", name, got, c.want)
		}
	}
}

func TestTheCopyIsToldThatItIsNotOld(t *testing.T) {
	r := furnishDisk(t)
	s := open(t, r.cfg)
	then := time.Now().Add(-3 * time.Hour) // of a lease of 24
	if err := os.Chtimes(r.cfg.CopyPath, then, then); err != nil {
		t.Fatal(err)
	}
	again := r.restarted(t)
	info, err := os.Stat(r.cfg.CopyPath)
	if err != nil || info.ModTime().Sub(again.Checked()).Abs() > time.Millisecond || !again.Checked().After(s.Checked()) {
		t.Errorf("it was good at %v, %v; the look was at %v", info.ModTime(), err, again.Checked())
	}
}

// The service and the commands of one machine share a copy.
func TestASharedCopyNeverGoesBack(t *testing.T) {
	r := furnishDisk(t)
	old := open(t, r.cfg)
	ahead := open(t, r.other(t))
	for range 5 {
		update(t, ahead, change)
	}
	newest := r.value(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { _, _ = ringredis.Open(context.WithoutCancel(t.Context()), r.cfg) })
	}
	all.Wait()
	if old.Ring().Generation() != 1 || r.disk() != newest {
		t.Errorf("the copy is %.3q of %.3q", r.disk(), newest)
	}
	err := ringfile.Copy(r.cfg.CopyPath).Write(t.Context(), []byte("x"), func(old []byte) bool { return string(old) != newest })
	if err != nil || r.disk() != newest {
		t.Errorf("what does not give way was replaced: %v", err)
	}
}

func TestACopyUnderAnotherMasterKeyStillSaysHowNewTheRingMustBe(t *testing.T) {
	r := furnishDisk(t)
	first := r.value(t)
	update(t, open(t, r.cfg), change)
	next := r.cfg
	next.Master, next.Previous, next.CopyPath = ringfile.NewMasterKey(), []ringfile.MasterKey{r.cfg.Master}, ""
	if err := open(t, next).Rewrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.Previous, next.CopyPath = nil, r.cfg.CopyPath // it knows the new one alone
	if got := open(t, next).Ring().Generation(); got != 2 {
		t.Errorf("generation %d", got)
	}
	older, err := ringfile.UnsealFor("test", []byte(first[2:]), r.cfg.Master)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ringfile.SealFor("test", older, next.Master)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.cfg.CopyPath, []byte("2"+first[1:]), 0o600); err != nil { // as before the first
		t.Fatal(err)
	}
	r.server.Do("SET", key, "1:"+string(sealed))
	if _, err := ringredis.Open(t.Context(), next); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("an older ring: %v", err)
	}
}

func TestCreateDoesNotTakeTheLostRingsPlace(t *testing.T) {
	r := furnishDisk(t)
	open(t, r.cfg)
	r.server.Do("FLUSHALL")
	if err := ringredis.Create(t.Context(), r.cfg, newRing(t)); !errors.Is(err, ringfile.ErrRollback) || r.value(t) != "" {
		t.Errorf("a first ring where there was one: %v", err)
	}
}

func TestACopyThatIsNoRingIsSaidAndNotIgnored(t *testing.T) {
	r := furnishDisk(t)
	open(t, r.cfg)
	good := r.disk()
	for name, bad := range map[string]string{"cut off": good[:len(good)-1], "something else": "x", "empty": ""} {
		if err := os.WriteFile(r.cfg.CopyPath, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ringredis.Open(t.Context(), r.cfg); !errors.Is(err, ringfile.ErrDamaged) || !strings.Contains(err.Error(), r.cfg.CopyPath) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(r.cfg.CopyPath, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ringredis.Open(t.Context(), r.cfg); !errors.Is(err, ringfile.ErrUnsafe) {
		t.Errorf("that others can read: %v", err)
	}
}

func TestACopyThatCanNotBeWrittenIsSaidAndWrittenLater(t *testing.T) {
	r := furnish(t)
	folder := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	admin := open(t, r.other(t))
	r.cfg.CopyPath = filepath.Join(folder, "ring.redis")
	s := open(t, r.cfg)
	w := watch(t, s)
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	update(t, admin, change)
	w.ring(t, 2) // it counts all the same
	w.fault(t, fs.ErrNotExist, r.cfg.CopyPath)
	w.calm(t, s)
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the copy", func() bool { return r.disk() == r.value(t) })
}
