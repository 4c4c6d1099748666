package storm

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// inFlight is how many requests of a race are on the wire: each has a
// connection of its own, and the other racers wait for one.
func inFlight() int { return size(64, 512) }

// race is what the racers of one token came to.
type race struct {
	mu        sync.Mutex
	got       map[place]string // the successors, and each one's encryption that came last
	access    []string         // some of the access tokens
	count     int              // racers that hold a successor
	degraded  int              // answers with the same refresh token again, because Redis gave none
	again     string           // one of those
	refused   int              // answers 503
	broken    int              // requests without an answer
	late      int              // racers that gave up when half of the grace was over
	turnedOff []string         // refusals; there must be none
	began     time.Time
	took      time.Duration
}

// course is where races are run: clients of both replicas, and the lanes that
// keep more requests from being sent than there are connections. A request that
// waited for one would be sent later than its sender knows.
type course struct {
	*site
	clients []*http.Client
	lanes   chan struct{}
}

func newCourse(s *site) *course {
	c := &course{site: s, lanes: make(chan struct{}, inFlight())}
	for _, addr := range s.replicas {
		c.clients = append(c.clients, dialling(s.t, inFlight(), addr))
	}
	return c
}

// race lets so many clients refresh one token at once, each at one replica and,
// where that can not help now, at the other. None tries again once half of the
// grace is over: what comes too late is a thief.
//
// With a fault, a third of them is there before, a third comes when it happens,
// and the last when it is over.
func (c *course) race(raw string, racers int, fault func()) *race {
	r := &race{got: map[place]string{}, began: time.Now()}
	var over sync.WaitGroup
	begin := func(from, to int) {
		start := make(chan struct{})
		for i := from; i < to; i++ {
			over.Go(func() {
				<-start
				for n, held := i, raw; !r.run(c, c.clients[n%len(c.clients)], &held); n++ {
					time.Sleep(50 * time.Millisecond) // as a client that is told to come back
				}
			})
		}
		close(start)
	}
	if fault == nil {
		begin(0, racers)
	} else {
		begin(0, racers/3)
		eventually(c.t, "some have a successor", r.begun)
		begin(racers/3, 2*racers/3)
		fault()
		begin(2*racers/3, racers)
	}
	over.Wait()
	r.took = time.Since(r.began)
	return r
}

func (r *race) begun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count+r.late+len(r.turnedOff) > 0
}

// run asks once, and keeps what comes instead of the token. It is done when
// there is a successor, or a refusal, or when it is too late.
func (r *race) run(c *course, client *http.Client, held *string) (done bool) {
	c.lanes <- struct{}{}
	defer func() { <-c.lanes }()
	if time.Since(r.began) > c.grace/2 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.late++
		return true
	}
	a, err := send(context.Background(), client, question{token: *held})
	is, tried, openErr := place{}, false, error(nil)
	if a.refresh != "" {
		is, tried, openErr = open(c.ring, a.refresh)
		*held = a.refresh
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.broken++
		return false
	case openErr != nil || a.status != http.StatusOK && a.status != http.StatusServiceUnavailable:
		r.turnedOff = append(r.turnedOff, errors.Join(errors.New(http.StatusText(a.status)+" "+a.reason), openErr).Error())
		return true
	case a.status == http.StatusServiceUnavailable:
		r.refused++
		return false
	case tried:
		r.again = a.refresh
		r.degraded++
		return false
	}
	r.got[is] = a.refresh
	r.count++
	if len(r.access) < 20 {
		r.access = append(r.access, a.access)
	}
	return true
}

// same fails unless every racer holds one and the same successor of a token.
func (r *race) same(t *testing.T, racers int, of place) (raw string, is place) {
	t.Helper()
	if len(r.turnedOff) > 0 {
		t.Fatalf("%d racers were turned off within %v, %d have a successor of %+v, %d degraded, %d refused, %d late: %s", len(r.turnedOff), r.took, r.count, of, r.degraded, r.refused, r.late, r.turnedOff[0])
	}
	if len(r.got) != 1 || r.count != racers || r.late > 0 {
		t.Fatalf("%d of %d racers hold %d successors (%d were late): %v", r.count, racers, len(r.got), r.late, slices.Collect(maps.Keys(r.got)))
	}
	for is, raw = range r.got {
	}
	if is.sid != of.sid || is.generation != of.generation+1 || is.parentIssuedAt != of.issuedAt {
		t.Fatalf("%+v is no successor of %+v", is, of)
	}
	return raw, is
}

// All who refresh one token at once get the one successor, whichever replica
// they ask, generation after generation. SEALRING_FULL=1: 10,000 racers, 20
// rounds on one server and 20 on a cluster.
func TestAllRacersForOneTokenGetTheSameSuccessor(t *testing.T) {
	grace := size(10*time.Second, time.Minute) // more than twice as long as a race takes on a busy machine
	tracks := []*track{
		newTrack("one server", newSite(t, grace, onServer(redistest.Start(t)))),
		newTrack("a cluster", newSite(t, grace, onCluster(redistest.StartCluster(t, 3)))),
	}
	for range size(2, 5) {
		for i := range size(2, 4) {
			for _, track := range tracks {
				track.race(i)
			}
		}
	}
	for _, track := range tracks {
		track.report()
	}
}

// track is a course with a few sessions, for the newest tokens of which there
// are races in turns: meanwhile the grace of the others ends.
type track struct {
	*course
	name             string
	sessions         []*session
	racers, rounds   int
	slowest          time.Duration
	degraded, broken int
}

// session is the newest refresh token of one.
type session struct {
	raw string
	is  place
}

func newTrack(name string, s *site) *track {
	k := &track{course: newCourse(s), name: name, racers: size(150, 10_000)}
	for range size(2, 4) {
		one := &session{}
		one.raw, one.is = s.session(5*time.Minute, false)
		k.sessions = append(k.sessions, one)
	}
	return k
}

func (k *track) race(i int) {
	k.t.Helper()
	one := k.sessions[i]
	k.pastGrace(one.is)
	r := k.course.race(one.raw, k.racers, nil)
	one.raw, one.is = r.same(k.t, k.racers, one.is)
	k.rounds++
	k.slowest, k.degraded, k.broken = max(k.slowest, r.took), k.degraded+r.degraded+r.refused, k.broken+r.broken
}

func (k *track) report() {
	k.t.Helper()
	if n := k.alarms.count(); n > 0 {
		k.t.Errorf("%d alarms", n)
	}
	for _, one := range k.sessions {
		if int(one.is.generation)*len(k.sessions) != k.rounds {
			k.t.Errorf("generation %d of %d sessions after %d races", one.is.generation, len(k.sessions), k.rounds)
		}
	}
	k.t.Logf("%s: %d races of %d for one token, at most %d requests in flight, one successor each time; the slowest took %v; %d times a racer got none and came back, %d times no answer",
		k.name, k.rounds, k.racers, inFlight(), k.slowest.Round(time.Millisecond), k.degraded, k.broken)
}

// pastGrace waits until a token is old enough to be replaced.
func (s *site) pastGrace(is place) {
	s.t.Helper()
	end := time.UnixMilli(is.issuedAt).Add(s.grace + 2*time.Millisecond)
	eventually(s.t, "the grace is over", func() bool { return time.Now().After(end) })
}
