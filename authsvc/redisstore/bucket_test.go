package redisstore

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestSessionsAreSpreadEvenlyOverTheirBuckets(t *testing.T) {
	const buckets = 1000
	held := map[string]map[string]bool{}
	for range buckets * perBucket {
		sid := tokens.NewID()
		key := bucketKey(sid, buckets)
		if held[key] == nil {
			held[key] = map[string]bool{}
		}
		held[key][bucketField(sid)] = true
	}
	most, all := 0, 0
	for _, fields := range held {
		most, all = max(most, len(fields)), all+len(fields)
	}
	if len(held) != buckets || all != buckets*perBucket || most > 128 {
		t.Errorf("%d sessions in %d buckets, %d in one", all, len(held), most)
	}
	for first, want := range map[string]string{"\x00\x00\x00\x00": "sr:b:0", "\x00\x41\x89\x37": "sr:b:0", "\x00\x41\x89\x38": "sr:b:1", "\xff\xff\xff\xff": "sr:b:999"} {
		var sid tokens.ID
		copy(sid[:], first)
		if got := bucketKey(sid, buckets); got != want {
			t.Errorf("%x: %s, want %s", first, got, want)
		}
	}
	for sessions, want := range map[uint64]uint32{0: 1, 1: 1, 127: 1, 128: 2, DefaultSessions: 15_625, math.MaxUint64: 1 << 31} {
		if got := bucketsFor(sessions); got != want {
			t.Errorf("%d buckets for %d sessions", got, sessions)
		}
	}
}

// Who comes first decides in how many buckets the states are, whatever others
// would like: two numbers would be two states of one session.
func TestAllReplicasGoByOneNumberOfBuckets(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := idle(t, server), idle(t, server)
	a.expects, b.expects = 64_000, 640_000
	a.open()
	b.open()
	if a.log.Buckets() != 1000 || b.log.Buckets() != 1000 {
		t.Errorf("%d and %d buckets", a.log.Buckets(), b.log.Buckets())
	}
	if a.logged.count("another number of sessions") != 0 || b.logged.count("another number of sessions") != 1 {
		t.Errorf("logged %s and %s", a.logged, b.logged)
	}
	first := login()
	second := successor(first, present(t, a.sessions, first, authsvc.Advance))
	if got := successor(first, present(t, b.sessions, first, authsvc.Replay)); got != second {
		t.Errorf("%+v at one, %+v at the other", second, got)
	}
	// A Redis that was emptied gets the number that those who live have gone by.
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	late := idle(t, server)
	late.expects = 6_400_000
	eventually(t, "an epoch is there again", func() bool { return server.Do("EXISTS", "sr:{shared}:re") == int64(1) })
	late.open()
	for name, r := range map[string]*replica{"b": b, "late": late} {
		eventually(t, name+" is settled", r.settled)
		if r.log.Buckets() != 1000 {
			t.Errorf("%s: %d buckets", name, r.log.Buckets())
		}
	}
	// Where nobody lives the next decides.
	for _, r := range []*replica{b, late} {
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
	server.Do("FLUSHALL")
	late.open()
	if late.log.Buckets() != 100_000 {
		t.Errorf("%d buckets", late.log.Buckets())
	}
}

// An epoch in which no number of buckets can be read gets one. It is no other
// Redis for that: nobody has to log in again.
func TestAnEpochWithoutANumberOfBucketsGetsOne(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{"", ":", ":0", ":x", ":-1", ":4294967296", ":1:2"} {
		t.Run(rest, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			born := time.Now().Add(-time.Hour).UnixMilli()
			server.Do("SET", "sr:{shared}:re", fmt.Sprintf("0123456789abcdef:%d%s", born, rest))
			a := shared(t, server)
			if since, ok := a.log.Complete(); !ok || since.UnixMilli() != born || a.log.Buckets() != bucketsFor(DefaultSessions) {
				t.Errorf("since %v, %v: %d buckets", since, ok, a.log.Buckets())
			}
			server.Do("SET", "sr:{shared}:re", fmt.Sprintf("0123456789abcdef:%d%s", born, rest))
			eventually(t, "it has its number again", func() bool {
				held := parseEra(server.Do("GET", "sr:{shared}:re").(string))
				return held.buckets == bucketsFor(DefaultSessions) && held.born.UnixMilli() == born
			})
		})
	}
}

// Nothing is asked, and nothing made, before it is known where the states are.
func TestNobodyIsPresentedBeforeTheBucketsAreKnown(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	n := uint32(0)
	s.buckets = func() uint32 { return n }
	p := login()
	if _, err := s.Present(t.Context(), p); !errors.Is(err, ErrUnavailable) || errors.Is(err, authsvc.ErrUnanswered) {
		t.Errorf("presenting: %v", err)
	}
	if _, err := s.Settle(t.Context(), p, time.Now()); !errors.Is(err, ErrUnavailable) || errors.Is(err, authsvc.ErrUnanswered) {
		t.Errorf("settling: %v", err)
	}
	if err := newTombs(s.client, s.buckets).write(t.Context(), sessionsAmong([]revocation.Entry{fresh()})); !errors.Is(err, ErrUnavailable) {
		t.Errorf("writing a tombstone: %v", err)
	}
	if keys := server.Do("DBSIZE"); keys != int64(0) {
		t.Errorf("%d keys", keys)
	}
	n = 1
	present(t, s, p, authsvc.Advance)
}

// A tombstone is raised, never lowered, and takes the place of whatever stands there.
func TestATombstoneIsOnlyRaised(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	tombs := newTombs(s.client, few)
	e := fresh()
	write := func(t0, exp uint32) {
		t.Helper()
		one := e
		one.T, one.Exp = e.T+t0, e.Exp+exp
		if err := tombs.write(t.Context(), []revocation.Entry{one}); err != nil {
			t.Fatal(err)
		}
	}
	p := login()
	p.SessionID = e.ID
	for _, c := range []struct{ t, exp, wantT, wantExp uint32 }{{10, 10, 10, 10}, {5, 20, 10, 20}, {20, 5, 20, 20}, {1, 1, 20, 20}} {
		write(c.t, c.exp)
		if out := present(t, s, p, authsvc.Revoked); out.Revocation.T != e.T+c.wantT || out.Revocation.Exp != e.Exp+c.wantExp {
			t.Errorf("after %d %d: %d %d", c.t, c.exp, out.Revocation.T-e.T, out.Revocation.Exp-e.Exp)
		}
	}
	server.Do("HSET", bucketKey(e.ID, few()), bucketField(e.ID), "what is this")
	write(1, 1)
	present(t, s, p, authsvc.Revoked)
	second := login()
	present(t, s, second, authsvc.Advance)
	e.ID = second.SessionID
	write(0, 0)
	present(t, s, second, authsvc.Revoked)
}
