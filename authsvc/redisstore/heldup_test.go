package redisstore

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// An entry's life on the feed counts from Made. Another replica, which was never
// cut off, renews what a held up entry names until it hears of it; counted from
// when it was made the entry would then have left the feed already, and the
// last token would be accepted.
func TestWhatWasHeldUpIsNewWhenItIsShared(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	a.log.timeout = 50 * time.Millisecond
	server.Do("CONFIG", "SET", "min-replicas-to-write", 1)
	x := revocation.SubjectEntry("iss", "ann", time.Now(), time.Now().Add(12*time.Hour))
	y := revocation.SubjectEntry("iss", "bob", time.Now(), time.Now().Add(12*time.Hour))
	a.keeps(x)
	a.ahead.Store(int64(time.Hour))
	a.keeps(y)
	for range 3 { // one that ended before, one that began before, and one of now
		<-a.log.turned
	}
	server.Do("CONFIG", "SET", "min-replicas-to-write", 0)
	eventually(t, "both are shared", a.settled)
	b := shared(t, server)
	for name, e := range map[string]revocation.Entry{"held up": x, "at once": y} {
		if age := b.age(e); age > -59*time.Minute {
			t.Errorf("what was shared after an hour, %s, was made %v ago", name, age)
		}
	}
}

// age is how long ago what the replica knows of an entry was made, by a clock
// that is not ahead.
func (r *replica) age(e revocation.Entry) time.Duration {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	known, _ := r.log.known.find(e.Target())
	return time.Since(time.Unix(int64(known.Made), 0))
}

func TestWhatRedisHasLostKeepsItsAge(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	x := revocation.SubjectEntry("iss", "ann", time.Now(), time.Now().Add(12*time.Hour))
	a.must(x)
	a.ahead.Store(int64(time.Hour))
	server.Restart()
	eventually(t, "it is back", func() bool { return !a.log.Away() && a.settled() && server.Do("EXISTS", "sr:{shared}:rl") == int64(1) })
	if age := shared(t, server).age(x); age < 0 {
		t.Errorf("what was shared at once begins its life anew, in %v", -age)
	}
}

// Who held an entry up may die meanwhile. That somebody appends it once more,
// before Redis is back, makes it no younger.
func TestWhatTheJournalHeldUpIsNewWhenItIsShared(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := idle(t, server)
	a.open()
	x := revocation.SubjectEntry("iss", "ann", time.Now(), time.Now().Add(12*time.Hour))
	x.Made = x.T - 3600
	if err := a.journal.Append(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	server.Kill9()
	a.timeout = 50 * time.Millisecond
	a.open()
	a.keeps(x)
	server.Restart()
	eventually(t, "it is shared", a.settled)
	if age := shared(t, server).age(x); age > 30*time.Minute {
		t.Errorf("what was shared only now was made %v ago", age)
	}
}
