package storm

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// network is a site behind the bad proxy, and what clients came to there.
type network struct {
	*site
	client  *http.Client
	proxy   *badProxy
	guards  []*verifier
	mu      sync.Mutex
	of      map[lineage]place // the one token of each generation
	n       tally
	strange []string // forks, and honest clients that were logged out
}

// lineage names a generation of a session.
type lineage struct {
	sid        [16]byte
	generation uint32
}

// tally counts what the clients did.
type tally struct {
	refreshes int // each until it was answered
	requests  int
	degraded  int // answered with the same token again, the store having given no answer
	outside   int // retries that would have come after the grace, or may have: the test fails
	proven    int // retries that did, with the retry id that the client keeps
	unclaimed int // thieves that came while nobody could tell whether an answer had arrived
}

// kind is how a client goes about it.
type kind int

const (
	plain  kind = iota // tries again within the grace
	mobile             // keeps a retry id, and loses the network for longer than the grace
	tab                // shares its cookies with other tabs
	kinds
)

// jar is what a client keeps of its session, or the tabs of a browser do.
type jar struct {
	mu     sync.Mutex
	kind   kind
	raw    string // the refresh token
	access string
	is     place
	retry  string // until the token is replaced
	tried  bool   // the token tells of an attempt without an answer
}

func (s *network) newJar(k kind) *jar {
	raw, is := s.session(5*time.Minute, k == tab)
	return &jar{kind: k, raw: raw, is: is}
}

func (j *jar) question() question {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kind == mobile && j.retry == "" {
		j.retry = rand.Text()
	}
	return question{token: j.raw, cookie: j.kind == tab, retry: j.retry}
}

func (j *jar) holds() (is place, access string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.is, j.access
}

func (j *jar) renew(access string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.access = access
}

// keep stores what came, and looks whether it is the one token of its generation.
func (s *network) keep(j *jar, a answer) {
	is, tried, err := open(s.ring, a.refresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := lineage{is.sid, is.generation}
	one, known := s.of[key]
	switch {
	case err != nil:
		s.strange = append(s.strange, "a refresh token that does not open: "+err.Error())
		return
	case known && one != is && is.generation > 0:
		s.strange = append(s.strange, fmt.Sprintf("a fork: %+v and %+v", one, is))
	case tried:
		s.n.degraded++
	}
	s.of[key] = is
	j.mu.Lock()
	defer j.mu.Unlock()
	if is != j.is {
		j.retry = ""
	}
	j.raw, j.access, j.is, j.tried = a.refresh, a.access, is, tried
}

// refresh asks until it is answered: with the newest token, or that the session
// has ended. A client without a retry id does not begin again once half of the
// grace is over by its own clock; the rest is for what is under way, which must
// not take longer.
func (s *network) refresh(j *jar) (status int, reason string) {
	for began := time.Now(); ; {
		if j.kind != mobile && time.Since(began) > s.grace/2 {
			s.count(func(n *tally) { n.outside++ })
			return 0, "outside the grace"
		}
		sent := time.Now()
		a, err := send(context.Background(), s.client, j.question())
		if a.refresh != "" {
			s.keep(j, a)
		} else if a.access != "" { // a browser that has the newest token is not given it again
			j.renew(a.access)
		}
		late := j.kind == mobile && time.Since(began) > s.grace
		s.count(func(n *tally) {
			n.requests++
			if late {
				n.proven++
			}
			if time.Since(sent) > s.grace/2 {
				n.outside++
			}
		})
		if err == nil && (a.status == http.StatusOK || a.status == http.StatusUnauthorized) {
			return a.status, a.reason
		}
		s.lull(j)
	}
}

// lull is how long a client waits before it tries again.
func (s *network) lull(j *jar) {
	if j.kind == mobile && mathrand.IntN(size(4, 20)) == 0 {
		time.Sleep(s.grace + mathrand.N(s.grace/2)) // no network here
		return
	}
	time.Sleep(20*time.Millisecond + mathrand.N(80*time.Millisecond))
}

func (s *network) count(f func(*tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.n)
}

// honest refreshes a session so many times, each when the access token would
// be used up; a tab also when the token is not quite old enough to be replaced.
func (s *network) honest(j *jar, rounds int) {
	earliest := s.grace
	if j.kind == tab {
		earliest = s.grace * 4 / 5
	}
	time.Sleep(mathrand.N(s.grace))
	for range rounds {
		is, _ := j.holds()
		if status, reason := s.refresh(j); status != http.StatusOK {
			s.note(fmt.Sprintf("an honest client, kind %d, with %+v: %d %s", j.kind, is, status, reason))
			return
		}
		s.count(func(n *tally) { n.refreshes++ })
		time.Sleep(earliest + mathrand.N(s.grace/2))
	}
}

func (s *network) note(strange string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strange = append(s.strange, strange)
}

// newNetwork starts a site, the proxy before it, and verifiers of it.
func newNetwork(t *testing.T, s *site, seed uint64) *network {
	t.Helper()
	n := &network{site: s, of: map[lineage]place{}}
	proxy, addr := newBadProxy(t, s.replicas, seed)
	n.proxy, n.client = proxy, dialling(t, inFlight(), addr)
	for i := range 4 {
		n.guards = append(n.guards, newVerifier(t, s.replicas[i%len(s.replicas)]))
	}
	return n
}
