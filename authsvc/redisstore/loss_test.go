package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestAnEmptiedRedisGetsEverythingBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	x, y := fresh(), fresh()
	a.must(x)
	b.must(y)
	eventually(t, "both know both", func() bool { return a.knows(x, y) && b.knows(x, y) })
	atA, atB := a.watch(), b.watch()
	epoch := atA.at().Epoch
	server.Restart()
	z := fresh()
	if err := a.log.Append(t.Context(), z); err != nil && !notShared(err) {
		t.Fatal(err)
	}
	eventually(t, "both are in one new epoch and settled", func() bool {
		pa, pb := atA.at(), atB.at()
		return pa == pb && pa.Epoch != epoch && a.settled() && b.settled() && b.knows(z)
	})
	if !holds(t, server, x, y, z) {
		t.Error("Redis lacks something")
	}
	for name, w := range map[string]*watcher{"a": atA, "b": atB} {
		w.check(t)
		if !w.has(x, y, z) || w.rebases() != 1 {
			t.Errorf("the follower of %s heard of %d entries and %d rebases", name, len(w.list), w.rebases())
		}
	}
	eventually(t, "the tombstones are back", func() bool { return tombed(server, a.log.Buckets(), x, y, z) })
	since, ok := a.log.Complete()
	if !ok || since.After(a.now()) {
		t.Errorf("complete since %v, %v", since, ok)
	}
}

// tombed reports whether Redis holds the tombstones of all these sessions.
func tombed(server *redistest.Server, buckets uint32, entries ...revocation.Entry) bool {
	for _, e := range entries {
		if value, _ := server.Do("HGET", bucketKey(e.ID, buckets), bucketField(e.ID)).(string); len(value) != tombBytes {
			return false
		}
	}
	return true
}

// image is what Redis held of the log at some moment.
type image struct{ epoch, log string }

func imageOf(server *redistest.Server) image {
	epoch, _ := server.Do("DUMP", "sr:{shared}:re").(string)
	log, _ := server.Do("DUMP", "sr:{shared}:rl").(string)
	return image{epoch, log}
}

// rollBack makes the log what it was, and appends to it what is given, in one
// step that nobody can look into.
func (i image) rollBack(t testing.TB, server *redistest.Server, then ...*redis.XAddArgs) {
	t.Helper()
	_, err := server.Admin(t).TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		for key, value := range map[string]string{"sr:{shared}:re": i.epoch, "sr:{shared}:rl": i.log} {
			p.Del(t.Context(), key)
			if value != "" {
				p.Restore(t.Context(), key, 0, value)
			}
		}
		for _, add := range then {
			p.XAdd(t.Context(), add)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestARedisThatWasRolledBackIsHealedInANewEpoch(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	atA, atB := a.watch(), b.watch()
	x, lost := fresh(), fresh()
	a.must(x)
	eventually(t, "both know it", func() bool { return b.knows(x) })
	old := imageOf(server)
	epoch := atA.at().Epoch
	a.must(lost)
	b.must(fresh())
	eventually(t, "both are at the end", func() bool { return atA.at() == atB.at() && a.knows(lost) && b.knows(lost) })
	old.rollBack(t, server)
	signal(a.log.kick)
	eventually(t, "both are in one new epoch", func() bool {
		return atA.at() == atB.at() && atA.at().Epoch != epoch && a.settled() && b.settled()
	})
	if !holds(t, server, x, lost) {
		t.Error("Redis lacks something")
	}
	atA.check(t)
	atB.check(t)
}

// After a failover other appends may stand under the ids of those that were
// lost: the nonce alone tells.
func TestOtherAppendsUnderTheSameIdsAreNoticed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	w := a.watch()
	x, lost, others := fresh(), fresh(), fresh()
	a.must(x)
	old := imageOf(server)
	before := w.at()
	a.must(lost)
	at := w.at()
	old.rollBack(t, server, &redis.XAddArgs{Stream: "sr:{shared}:rl", ID: at.Cursor.String(),
		Values: []any{"n", nonce(), "o", nonce(), "e", blob([]revocation.Entry{others})}})
	signal(a.log.kick)
	eventually(t, "what was lost is back, and what took its place is heard of", func() bool {
		return holds(t, server, x, lost, others) && w.has(others) && a.settled()
	})
	if w.at().Epoch == before.Epoch {
		t.Error("the epoch is the old one")
	}
	w.check(t)
}

// A replica that dies between its journal and Redis says what it owes when it
// is back.
func TestWhatOnlyTheJournalHoldsIsShared(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := idle(t, server), shared(t, server)
	a.open()
	x := fresh()
	a.must(x)
	if err := a.log.Close(); err != nil {
		t.Fatal(err)
	}
	owed := fresh()
	if err := a.journal.Append(t.Context(), owed); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	w := b.watch()
	a.open()
	eventually(t, "the other hears of it", func() bool { return w.has(owed) })
	if !holds(t, server, x, owed) {
		t.Error("it is not in Redis")
	}
	w.check(t)
}

// Redis and every replica start anew at once, Redis empty: the journals know.
func TestARedisAndAllReplicasThatAreLostAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := shared(t, server), shared(t, server)
	x, y := fresh(), fresh()
	a.must(x)
	b.must(y)
	for _, r := range []*replica{a, b} {
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
	server.Restart()
	b.open()
	a.open()
	eventually(t, "both know all", func() bool { return a.knows(x, y) && b.knows(x, y) && a.settled() && b.settled() })
	if !holds(t, server, x, y) {
		t.Error("Redis lacks something")
	}
}

// A log that is rolled back while it is read page by page is read anew: what
// the first pages held would count as being there.
func TestAPageFollowsOnlyWhatStillStands(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStream(server.Client(t), "shared")
	for range 6 {
		server.Do("XADD", "sr:{shared}:rl", "*", "n", nonce(), "o", nonce(), "e", blob([]revocation.Entry{fresh()}))
	}
	first, err := s.page(t.Context(), place{}, 2)
	if err != nil || len(first) != 3 {
		t.Fatalf("%d appends, %v", len(first), err)
	}
	at := first[1].place
	if rest, err := s.page(t.Context(), at, 100); err != nil || len(rest) != 4 {
		t.Errorf("after the second: %d appends, %v", len(rest), err)
	}
	end := first[2].place
	server.Do("XTRIM", "sr:{shared}:rl", "MAXLEN", 0)
	if _, err := s.page(t.Context(), end, 100); err == nil {
		t.Error("it goes on after what is gone")
	}
	server.Do("DEL", "sr:{shared}:rl")
	server.Do("XADD", "sr:{shared}:rl", end.cursor.String(), "n", nonce(), "o", nonce(), "e", "")
	if _, err := s.page(t.Context(), end, 100); err == nil {
		t.Error("it goes on after what another append has taken the place of")
	}
}
