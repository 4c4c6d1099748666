package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

func notShared(err error) bool { return errors.Is(err, authsvc.ErrNotShared) }

func TestAnAppendToAFrozenRedisIsInForceHereAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	atA, atB := a.watch(), b.watch()
	a.log.timeout = 250 * time.Millisecond
	asOf := a.log.AsOf()
	server.Stop()
	x, y := fresh(), fresh()
	at := atA.at()
	a.keeps(x)
	a.keeps(y)
	if !atA.has(x, y) || atA.at() != at || !a.journalled(x, y) {
		t.Error("it is not in force where it was made")
	}
	if again, err := a.log.Since(t.Context(), at); err != nil || len(again.Frame.Entries) != 2 {
		t.Errorf("who comes back to this replica hears of %d entries, %v", len(again.Frame.Entries), err)
	}
	eventually(t, "the silence is noticed", a.log.Away)
	a.keeps(fresh())
	a.keeps(x) // known, and still not shared
	stopped := a.log.AsOf()
	server.Cont()
	eventually(t, "the other hears of all", func() bool { return atB.has(x, y) && a.settled() })
	if atA.rebases()+atB.rebases() > 0 {
		t.Error("a Redis that has lost nothing is healed")
	}
	eventually(t, "the news are fresh again", func() bool { return !a.log.Away() && a.log.AsOf().After(stopped) })
	if stopped.Before(asOf) {
		t.Error("the news grew older")
	}
	a.must(x)
	atA.check(t)
	atB.check(t)
}

// What a follower has heard of before it had a place in the log, it hears of
// again when it has one: else it would be missing for whoever reads on from
// there.
func TestWhatHadNoPlaceIsToldAgainWithIt(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	a.log.timeout = 50 * time.Millisecond
	w := a.watch()
	server.Stop()
	x := fresh()
	a.keeps(x)
	told := len(w.all())
	server.Cont()
	eventually(t, "it has a place", func() bool { return a.settled() && w.at().Cursor.Ms > 0 })
	again := &watcher{list: nil}
	for _, f := range w.all()[told:] {
		again.frames = append(again.frames, f)
		for _, e := range f.Entries {
			if e.Target() == x.Target() {
				w.check(t)
				return
			}
		}
	}
	t.Errorf("it is in none of the %d frames that lead there", len(again.frames))
}

func TestALogBeginsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := idle(t, server)
	a.open()
	x := fresh()
	a.must(x)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	server.Kill9()
	a.timeout = 50 * time.Millisecond
	began := time.Now()
	a.open()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to open", took)
	}
	w := a.watch()
	own := w.at()
	if !w.has(x) || own.Epoch == 0 {
		t.Errorf("a follower begins at %v with %d entries", own, len(w.list))
	}
	if since, ok := a.log.Complete(); ok || !a.log.AsOf().IsZero() {
		t.Errorf("complete since %v, as of %v", since, a.log.AsOf())
	}
	y := fresh()
	a.keeps(y)
	a.keeps(x) // of before: whether Redis has it nobody knows
	server.Restart()
	eventually(t, "the follower is taken over into the epoch of Redis", func() bool { return w.rebases() == 1 && a.settled() })
	if !holds(t, server, x, y) || w.at().Epoch == own.Epoch {
		t.Error("Redis lacks something")
	}
	if _, ok := a.log.Complete(); !ok {
		t.Error("it does not know since when it knows all")
	}
	w.check(t)
}

// refusals are ways of Redis to say no, and how it is brought to them and back.
func TestARedisThatRefusesIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ begin, end func(*redistest.Server) }{
		"as a replica": {
			func(s *redistest.Server) { s.Do("REPLICAOF", "127.0.0.1", "1") },
			func(s *redistest.Server) { s.Do("REPLICAOF", "NO", "ONE") },
		},
		"out of memory": {
			func(s *redistest.Server) { s.Do("CONFIG", "SET", "maxmemory", "1") },
			func(s *redistest.Server) { s.Do("CONFIG", "SET", "maxmemory", "0") },
		},
		"with too few replicas": {
			func(s *redistest.Server) { s.Do("CONFIG", "SET", "min-replicas-to-write", "1") },
			func(s *redistest.Server) { s.Do("CONFIG", "SET", "min-replicas-to-write", "0") },
		},
		"with a key of another type": {
			func(s *redistest.Server) {
				s.Do("RENAME", "sr:{shared}:rl", "aside")
				s.Do("SET", "sr:{shared}:rl", "x")
			},
			func(s *redistest.Server) { s.Do("RENAME", "aside", "sr:{shared}:rl") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			a := shared(t, server)
			w := a.watch()
			a.must(fresh())
			c.begin(server)
			x := fresh()
			a.keeps(x)
			if !w.has(x) {
				t.Error("it is not in force here")
			}
			c.end(server)
			eventually(t, "it is shared", func() bool { return a.settled() && holds(t, server, x) })
			a.must(fresh())
			w.check(t)
		})
	}
}

func TestForgottenScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	a.must(fresh())
	server.Do("SCRIPT", "FLUSH")
	x := fresh()
	a.must(x)
	if a.logged.count("does not answer") > 0 || a.logged.count("tombstone") > 0 || !tombed(server, a.log.Buckets(), x) {
		t.Error(a.logged)
	}
}

// An Append whose caller has gone is carried through all the same.
func TestAnAppendOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	w := a.watch()
	a.log.timeout = time.Second
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	x := fresh()
	if err := a.log.Append(ctx, x); !notShared(err) && !errors.Is(err, context.DeadlineExceeded) { // the latter where even the disk took so long
		t.Error(err)
	}
	server.Cont()
	eventually(t, "it is shared", func() bool { return w.has(x) && holds(t, server, x) && a.settled() })
}
