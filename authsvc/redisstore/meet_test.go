package redisstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestReplicasHearOfEachOther(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	atA, atB := a.watch(), b.watch()
	x, y := fresh(), fresh()
	a.must(x)
	b.must(y)
	eventually(t, "both know both", func() bool { return atA.has(x, y) && atB.has(x, y) })
	eventually(t, "one position", func() bool { return atA.at() == atB.at() })
	eventually(t, "each journal has what the other has revoked", func() bool { return a.journalled(x, y) && b.journalled(x, y) })
	if late := b.watch(); !late.has(x, y) || late.at() != atB.at() {
		t.Error("who comes later hears less")
	}
	atA.check(t)
	atB.check(t)
}

// Two replicas that revoke one thing at the same time both get it confirmed,
// and both end with the later times.
func TestReplicasMergeByMaximum(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	x := fresh()
	y := x
	x.T, y.Exp = x.T+5, y.Exp+5
	done := make(chan error, 2)
	go func() { done <- a.log.Append(t.Context(), x) }()
	go func() { done <- b.log.Append(t.Context(), y) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "both have the maximum", func() bool { return a.knows(x, y) && b.knows(x, y) })
}

func TestDeploymentsThatShareARedisStayApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, other := shared(t, server), idle(t, server)
	other.namespace, other.expects = "other", 128
	other.open()
	x, y := fresh(), fresh()
	a.must(x)
	other.must(y)
	a.must(fresh()) // a turn later
	other.must(fresh())
	if a.knows(y) || other.knows(x) {
		t.Error("they hear of each other")
	}
	if pa, pb := a.watch().at(), other.watch().at(); pa.Epoch == pb.Epoch {
		t.Error("they share an epoch")
	}
	if n, m := a.log.Buckets(), other.log.Buckets(); n != bucketsFor(DefaultSessions) || m != 2 {
		t.Errorf("%d and %d buckets", n, m)
	}
	// They may well share a bucket.
	p, q := login(), login()
	q.SessionID = p.SessionID
	q.SessionID[0], q.SessionID[15] = 0, p.SessionID[15]+1
	p.SessionID[0], p.SessionID[1], q.SessionID[1] = 0, 0, 0
	for _, one := range []struct {
		r *replica
		p authsvc.Presentation
	}{{a, p}, {other, q}} {
		second := successor(one.p, present(t, one.r.sessions, one.p, authsvc.Advance))
		present(t, one.r.sessions, second, authsvc.Same)
		if n := server.Do("HEXISTS", "sr:b:0", bucketField(one.p.SessionID)); n != int64(1) {
			t.Errorf("%s: not in the first bucket", one.r.namespace)
		}
	}
}

// An Append of what is there already returns once the followers know it too.
func TestARepeatedAppendWaitsForTheFollowers(t *testing.T) {
	t.Parallel()
	a := shared(t, redistest.Start(t))
	x := fresh()
	hears, goOn := make(chan struct{}), make(chan struct{})
	heard := sync.OnceFunc(func() { close(hears) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = a.log.Follow(ctx, func(b authsvc.Batch) {
			if len(b.Frame.Entries) > 0 {
				heard()
				<-goOn
			}
		})
	}()
	eventually(t, "a follower", func() bool { a.log.order.Lock(); defer a.log.order.Unlock(); return len(a.log.followers) == 1 })
	go func() { _ = a.log.Append(t.Context(), x) }()
	<-hears
	eventually(t, "it is read back", a.settled)
	again := make(chan error, 1)
	go func() { again <- a.log.Append(t.Context(), x) }()
	select {
	case err := <-again:
		close(goOn)
		t.Fatalf("acknowledged before the followers were told: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(goOn)
	if err := <-again; err != nil {
		t.Error(err)
	}
}

// A follower that was away is told from any position of the epoch on, and of
// what has no position yet.
func TestSinceTellsFromEveryPosition(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	a.must(fresh())
	var entries []revocation.Entry
	positions := []revocation.Position{a.watch().at()}
	for range 20 {
		x := fresh()
		a.must(x)
		entries = append(entries, x)
		positions = append(positions, a.watch().at())
	}
	raised := entries[3]
	raised.Exp++
	a.must(raised)
	eventually(t, "the other has read all", func() bool { return b.knows(entries...) && b.knows(raised) })
	server.Stop()
	outstanding := fresh()
	a.log.timeout = 50 * time.Millisecond
	a.keeps(outstanding)
	for i, p := range positions {
		for name, r := range map[string]*replica{"where it was appended": a, "at the other": b} {
			d, err := r.log.Since(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			w := &watcher{pos: p, list: map[revocation.Target]revocation.Entry{}}
			w.apply(d.Frame)
			w.check(t)
			if !w.has(entries[i:]...) || !w.has(raised) || r == a && !w.has(outstanding) {
				t.Errorf("since append %d, %s: %d entries", i, name, len(w.list))
			}
		}
	}
	server.Cont()
}

func TestCloseEndsSoonWhateverRedisDoes(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(*redistest.Server){
		"it answers":   func(*redistest.Server) {},
		"it is frozen": (*redistest.Server).Stop,
		"it is gone":   (*redistest.Server).Kill9,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			a := shared(t, server)
			a.must(fresh())
			w := a.watch()
			a.log.timeout = 50 * time.Millisecond
			hurt(server)
			if name != "it answers" {
				a.keeps(fresh())
			}
			began := time.Now()
			if err := a.close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Logf("took %v", took.Round(time.Millisecond))
			}
			if err := <-w.ended; !errors.Is(err, authsvc.ErrStoreClosed) {
				t.Errorf("Follow: %v", err)
			}
		})
	}
}
