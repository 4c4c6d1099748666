package storm

import (
	"net/http"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys/redisclient"
)

// A Redis that is killed, emptied or fails over in the middle of a race makes
// no thief of any racer and no second lineage. The racers may come to hold two
// successors, born on both sides of the fault; whoever goes on with either, and
// within the grace with the parent, comes to the one that lives.
// SEALRING_FULL=1: 10,000 racers, each fault three times.
func TestNoFaultOfRedisMakesAThiefOfARacer(t *testing.T) {
	var all []*survivor
	for range size(1, 3) {
		for _, fault := range []func(*testing.T) *survivor{killed, killedAndEmpty, emptied, clusterKilled, failedOver} {
			s := fault(t)
			s.race()
			s.meet()
			all = append(all, s)
		}
	}
	for _, s := range all { // the grace of the first is over, or nearly
		s.goOn()
	}
}

// survivor is a race that went through a fault.
type survivor struct {
	*course
	fault  func()
	name   string
	racers int
	r      *race
	held   []string // by the racers
	newest place    // which they come to
}

func survive(t *testing.T, name string, redis redisclient.Config, fault func()) *survivor {
	const grace = 30 * time.Second // more than twice as long as a race takes on a busy machine
	site := newSite(t, size(grace, 4*grace), redis)
	return &survivor{course: newCourse(site), fault: fault, name: name, racers: size(100, 10_000)}
}

func killed(t *testing.T) *survivor {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
	return survive(t, "killed, and back with what was on its disk", onServer(server), server.Restart)
}

func killedAndEmpty(t *testing.T) *survivor {
	server := redistest.Start(t)
	return survive(t, "killed, and back empty", onServer(server), server.Restart)
}

func emptied(t *testing.T) *survivor {
	server := redistest.Start(t)
	return survive(t, "emptied while it runs", onServer(server), func() { server.Do("FLUSHALL") })
}

func clusterKilled(t *testing.T) *survivor {
	cluster := redistest.StartCluster(t, 3)
	return survive(t, "a whole cluster killed, and back empty", onCluster(cluster), func() {
		for _, server := range cluster.Servers {
			server.Kill9()
		}
		for _, server := range cluster.Servers {
			server.Restart()
		}
	})
}

func failedOver(t *testing.T) *survivor {
	sentinel := redistest.StartSentinel(t, 1)
	return survive(t, "failed over", onSentinel(sentinel), sentinel.FailOver)
}

func (s *survivor) race() {
	t := s.t
	t.Helper()
	raw, is := s.session(5*time.Minute, false)
	s.r = s.course.race(raw, s.racers, s.fault)
	s.r.oneLineage(t, s.name, s.racers, is)
	t.Logf("%s: %d racers hold %d successors after %v; %d times there was none yet, %d times 503, %d times no answer",
		s.name, s.racers, len(s.r.got), s.r.took.Round(time.Millisecond), s.r.degraded, s.r.refused, s.r.broken)
}

// oneLineage fails unless every racer holds a successor of the token, which are
// no more than two, as old as each other but for the grace.
func (r *race) oneLineage(t *testing.T, name string, racers int, of place) {
	t.Helper()
	if len(r.turnedOff) > 0 || r.count != racers || r.late > 0 {
		t.Fatalf(name+": %d of %d racers have a successor, %d were late, %d turned off: %v", r.count, racers, r.late, len(r.turnedOff), r.turnedOff)
	}
	for is := range r.got {
		if is.sid != of.sid || is.generation != of.generation+1 || is.parentIssuedAt != of.issuedAt || len(r.got) > 2 {
			t.Fatalf("%s: %+v of %+v: %v", name, is, of, r.got)
		}
	}
}

// meet has every holding presented at both replicas within the grace: each leads
// to the one newest token.
func (s *survivor) meet() {
	s.t.Helper()
	for _, one := range s.r.got {
		s.held = append(s.held, one)
	}
	s.newest = s.together(s.held)
	if s.newest.generation != 1 {
		s.t.Fatalf("%s: they come to %+v", s.name, s.newest)
	}
	for _, client := range s.clients { // those of all the sites are more than a process may have
		client.CloseIdleConnections()
	}
}

// goOn has every holding presented at both replicas when it is old enough for
// the next: each leads to that.
func (s *survivor) goOn() {
	t := s.t
	t.Helper()
	s.pastGrace(s.newest)
	if s.r.again != "" { // from before the grace, but it tells of an attempt without an answer
		if is := s.together([]string{s.r.again}); is != s.newest {
			t.Fatalf("%s: past the grace the parent comes to %+v, the newest is %+v", s.name, is, s.newest)
		}
	}
	next := s.together(s.held)
	if next.generation != 2 || next.parentIssuedAt != s.newest.issuedAt {
		t.Fatalf("%s: past the grace they come to %+v, the newest was %+v", s.name, next, s.newest)
	}
	for _, access := range s.r.access {
		s.accepted(access)
	}
	if n := s.alarms.count(); n > 0 {
		t.Errorf("%s: %d alarms", s.name, n)
	}
}

// together presents tokens at each replica and fails unless all come to one. A
// replica that answers has settled what it could not have judged before.
func (c *course) together(all []string) (is place) {
	c.t.Helper()
	for i, client := range c.clients {
		for j, raw := range all {
			r := &race{got: map[place]string{}, began: time.Now()}
			eventually(c.t, "an answer", func() bool { return r.run(c, client, &raw) })
			if len(r.turnedOff)+r.late > 0 {
				c.t.Fatalf("token %d at replica %d: %v, late %d", j, i, r.turnedOff, r.late)
			}
			for got := range r.got {
				if is.generation != 0 && got != is {
					c.t.Fatalf("token %d at replica %d comes to %+v, others to %+v", j, i, got, is)
				}
				is = got
			}
		}
	}
	return is
}

// accepted fails unless both replicas take the access token.
func (c *course) accepted(access string) {
	c.t.Helper()
	for _, client := range c.clients {
		r, err := http.NewRequest(http.MethodGet, issuerURL+"/v1/session", nil)
		must(c.t, err)
		r.Header.Set("Authorization", "Bearer "+access)
		res, err := client.Do(r)
		must(c.t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			c.t.Errorf("an access token is answered %s", res.Status)
		}
	}
}
