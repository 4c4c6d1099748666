package redisstore

import (
	"math"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// 10,000 generations, each with a retry id, leave one small key.
func TestALongChainTakesAsLittleAsAShortOne(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	s.step = swapped(t, clockCall, setClock)
	p := login()
	p.IssuedAt = time.Now().UnixMilli()
	now := p.IssuedAt
	key := stateKey(p.SessionID)
	client := server.Client(t)
	const length = 10_000
	for g := range length {
		now += authsvc.DefaultGrace.Milliseconds() + 1
		if err := client.HSet(t.Context(), "clock", "s", now/1000, "us", now%1000*1000).Err(); err != nil {
			t.Fatal(err)
		}
		p.RetryID = "attempt"
		out := present(t, s, p, authsvc.Advance)
		if out.Generation != uint32(g+1) || out.IssuedAt != now {
			t.Fatalf("generation %d: %+v", g+1, out)
		}
		p = successor(p, out)
	}
	if n := server.Do("MEMORY", "USAGE", key).(int64); n > 165 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d bytes", n)
	}
	if end := server.Do("PEXPIRETIME", key).(int64); end != p.SessionEnd.Add(time.Minute).UnixMilli() {
		t.Errorf("kept until %d, the session ends at %d", end, p.SessionEnd.UnixMilli())
	}
	p.Generation, p.IssuedAt = 5, p.IssuedAt-1_000_000
	p.ParentIssuedAt = p.IssuedAt
	present(t, s, p, authsvc.Theft)
	if n := server.Do("MEMORY", "USAGE", key).(int64); n > 149 {
		t.Errorf("a tombstone of %d bytes", n)
	}
	if end := server.Do("PEXPIRETIME", key).(int64); end != p.SessionEnd.Add(time.Minute).UnixMilli() {
		t.Errorf("the tombstone is kept until %d, the session ends at %d", end, p.SessionEnd.UnixMilli())
	}
}

// All that Redis takes, with its tables of keys and of expiries, which MEMORY
// USAGE does not count.
func TestASessionTakesAtMost165BytesOfRedis(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(t)
	s := sessions(t, client)
	if err := s.step.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	before := used(t, server)
	const many, batch = 1 << 15, 1 << 10 // a power of two: the tables are full
	for range many / batch {
		pipe := client.Pipeline()
		for range batch {
			p := login()
			p.Generation, p.RetryID = 1000, "attempt"
			p.ParentIssuedAt = p.IssuedAt - 300_000
			s.step.EvalSha(t.Context(), pipe, []string{stateKey(p.SessionID)}, arguments(p, authsvc.Params{Adopt: true}, math.MaxInt64)...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Do("DBSIZE").(int64); n != many {
		t.Fatalf("%d keys", n)
	}
	each := float64(used(t, server)-before) / many
	t.Logf("%.1f bytes", each)
	if each > 165 {
		t.Errorf("%.1f bytes for each session", each)
	}
}

// used is what Redis has allocated, without what serves its connections.
func used(t *testing.T, server *redistest.Server) int64 {
	t.Helper()
	stats := server.Do("MEMORY", "STATS").(map[any]any)
	n := stats["dataset.bytes"].(int64)
	tables, _ := stats["db.0"].(map[any]any) // none while it is empty
	for _, bytes := range tables {
		n += bytes.(int64)
	}
	return n
}
