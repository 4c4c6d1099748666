package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// placed puts an append at a time of the past into the log.
func placed(server *redistest.Server, ago time.Duration, entries ...revocation.Entry) {
	server.Do("XADD", "sr:{shared}:rl", fmt.Sprintf("%d-0", time.Now().Add(-ago).UnixMilli()), "n", nonce(), "o", nonce(), "e", blob(entries))
}

func length(server *redistest.Server) int64 { return server.Do("XLEN", "sr:{shared}:rl").(int64) }

// While nobody revokes anything one replica makes an empty append a minute:
// the place that all replicas stand at never becomes old enough to be trimmed.
func TestAQuietLogIsKeptFresh(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	x := fresh()
	x.Made = x.T
	placed(server, quietFor+time.Second, x)
	a, b := shared(t, server), shared(t, server)
	atA, atB := a.watch(), b.watch()
	recent := func(w *watcher) bool { return time.Since(cursorTime(w.at().Cursor)) < quietFor }
	eventually(t, "both stand at a recent place", func() bool { return recent(atA) && recent(atB) })
	if n := length(server); n != 2 {
		t.Errorf("%d appends", n)
	}
	if atA.rebases()+atB.rebases() > 0 || !atA.has(x) || !atB.has(x) {
		t.Error("the followers were disturbed")
	}
	atA.check(t)
	atB.check(t)
}

func TestALogThatIsNotQuietIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	placed(server, quietFor/2, fresh())
	a := shared(t, server)
	a.must(fresh())
	if n := length(server); n != 2 {
		t.Errorf("%d appends", n)
	}
}

// What was said so long ago that it would soon be trimmed is said again, as it
// was, and only if it still matters.
func TestWhatGrowsOldIsSaidAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("CONFIG", "SET", "stream-node-max-entries", "1") // trimming is by whole nodes
	old, gone, young := fresh(), ended(), fresh()
	old.Made, young.Made = old.T-40_000, young.T-1000
	placed(server, horizon+time.Hour, old)
	placed(server, horizon+time.Hour/2, gone)
	placed(server, time.Second, young)
	a := shared(t, server)
	w := a.watch()
	a.log.renew(horizon / 2)
	eventually(t, "it is said again", func() bool { return length(server) == 2 && a.settled() })
	if all := stored(t, server); len(all) != 2 || all[old.Target()] != old || all[young.Target()] != young {
		t.Errorf("the log holds %+v", all)
	}
	if late := shared(t, server); !late.knows(old, young) {
		t.Error("a new replica does not hear of it")
	}
	a.log.renew(horizon / 2)
	a.must(fresh())
	if n := length(server); n != 3 {
		t.Errorf("it was said yet again: %d appends", n)
	}
	w.check(t)
}

func TestWhatHasExpiredIsForgotten(t *testing.T) {
	t.Parallel()
	a := shared(t, redistest.Start(t))
	x := fresh()
	a.must(x)
	a.log.mu.Lock()
	at := a.log.place.cursor
	for range 3000 { // each makes the place of the one before stale
		x.Exp++
		at = at.Next(0)
		a.log.known.take(x, at)
	}
	a.log.mu.Unlock()
	a.log.renew(horizon)
	if n := len(a.log.known.order); n != 1 {
		t.Errorf("%d places of one entry", n)
	}
	a.ahead.Store(int64(2*time.Hour + sweepAfter))
	a.log.renew(horizon)
	if a.knows(x) {
		t.Error("it is still there")
	}
}
