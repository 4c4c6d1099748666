package authsvc_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

// chain is one session that is refreshed again and again.
type chain struct {
	*world
	raw         string          // the newest refresh token
	first, last *tokens.Refresh // that of the login, and the newest
}

// links is how many refreshes a chain has.
func links() uint32 {
	if os.Getenv("SEALRING_FULL") != "" {
		return 10_000
	}
	return 500
}

func (w *world) chain() *chain {
	c := &chain{world: w}
	at := c.now()
	c.take(w.login(), at)
	c.first = c.last
	return c
}

// take goes on with the tokens of an answer to what was asked at that time. None
// lives longer than the session, whose end the login has fixed.
func (c *chain) take(a answer, at time.Time) {
	c.t.Helper()
	c.raw = a.want(c.t, 200, "").str(c.t, "refresh_token")
	var err error
	c.last, err = tokens.OpenRefresh(c.raw, c.ring, at)
	must(c.t, err)
	access, err := tokens.Verify(a.str(c.t, "access_token"), c.ring, tokens.Expect{Issuer: c.issuer, Audiences: []string{"orders"}, Leeway: time.Minute}, at)
	must(c.t, err)
	if c.first == nil {
		return
	}
	if !c.last.SessionEnd.Equal(c.first.SessionEnd) || c.last.IdleEnd.After(c.first.SessionEnd) || access.ExpiresAt.After(c.first.SessionEnd) {
		c.t.Fatalf("generation %d: %+v %+v, the login's is %+v", c.last.Generation, c.last, access, c.first)
	}
}

// until goes on to a generation.
func (c *chain) until(generation uint32) {
	c.t.Helper()
	for c.last.Generation < generation {
		c.pass()
		at := c.now()
		c.take(c.refresh(c.raw), at)
	}
}

// untilRefused goes on to the end.
func (c *chain) untilRefused() {
	c.t.Helper()
	for {
		c.pass()
		at := c.now()
		a := c.refresh(c.raw)
		if a.status == 200 {
			c.take(a, at)
			continue
		}
		a.want(c.t, 401, "session-ended")
		if reason := a.str(c.t, "reason"); reason != "expired" || c.now().Before(c.first.SessionEnd) {
			c.t.Errorf("generation %d is refused as %s, %v before the end", c.last.Generation, reason, c.first.SessionEnd.Sub(c.now()))
		}
		return
	}
}

// However long a chain of refreshes is, the embedded store keeps what it kept
// after two, and the session ends when it ends.
func TestALongChainOverHTTPWithTheEmbeddedStore(t *testing.T) {
	w := &world{t: t, ahead: new(atomic.Int64)}
	const step = authsvc.DefaultGrace + time.Millisecond
	w.before = func(s *authsvc.Service) { s.SetClock(w.now) }
	buildWorld(w, func(c *authsvc.Config) { c.SessionTTL = max(time.Hour, time.Duration(links())*step+5*step) })
	c := w.chain()
	w.login() // a session that is never refreshed
	c.until(2)
	short := w.fileSize()
	c.until(links())
	if size := w.fileSize(); size != short {
		t.Errorf("a file of %d bytes, after two refreshes %d", size, short)
	}
	c.untilRefused()
	w.stop()
	if states := refreshStates(t, w.file); len(states) != 1 || states[0] != 52 {
		t.Errorf("states of %v bytes", states)
	}
	t.Logf("generation %d, a file of %d bytes", c.last.Generation, short)
}

func (w *world) fileSize() int64 {
	w.t.Helper()
	info, err := os.Stat(w.file)
	must(w.t, err)
	return info.Size()
}

// refreshStates are the lengths of the states, with their keys, in the file of a
// store that was closed.
func refreshStates(t *testing.T, file string) (sizes []int) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	must(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("refresh")).ForEach(func(k, v []byte) error {
			sizes = append(sizes, len(k)+len(v))
			return nil
		})
	}))
	must(t, db.Close())
	return sizes
}

// The same with Redis, whose clock can not be set: the grace is as short as it
// can be, so that each refresh advances.
func TestALongChainOverHTTPWithRedis(t *testing.T) {
	server := redistest.Start(t)
	w := buildWorld(&world{t: t}, func(c *authsvc.Config) {
		c.Log, c.Sessions = overRedis(t, server)
		c.RefreshGrace = time.Millisecond
	})
	held := func() string {
		return fmt.Sprint(server.Do("DBSIZE"), " keys, ", server.Do("XLEN", "sr:{sealring}:rl"), " appends")
	}
	before := held()
	c := w.chain()
	for range 10 {
		w.login()
	}
	if now := held(); now != before {
		t.Errorf("before the logins %s, after them %s", before, now)
	}
	c.until(2)
	buckets := server.Do("KEYS", "sr:b:*").([]any)
	if len(buckets) != 1 {
		t.Fatalf("buckets %v", buckets)
	}
	size := func() string {
		return fmt.Sprint(server.Do("HLEN", buckets[0]), " states, ", server.Do("MEMORY", "USAGE", buckets[0]), " bytes in one of ", server.Do("DBSIZE"), " keys")
	}
	short := size()
	c.until(links())
	if long := size(); long != short {
		t.Errorf("%s, after two refreshes %s", long, short)
	}
	t.Logf("generation %d: %s", c.last.Generation, short)
}

func TestNoChainOverHTTPWithRedisPassesItsEnd(t *testing.T) {
	server := redistest.Start(t)
	w := buildWorld(&world{t: t}, func(c *authsvc.Config) {
		c.Log, c.Sessions = overRedis(t, server)
		c.RefreshGrace, c.AccessTTL = time.Millisecond, time.Second
		c.IdleTTL, c.SessionTTL = 4*time.Second, 4*time.Second
	})
	c := w.chain()
	c.untilRefused()
	if c.last.Generation == 0 {
		t.Error("it was never refreshed")
	}
	t.Logf("generation %d", c.last.Generation)
}
