package storm

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// Through a proxy that loses answers, repeats requests, keeps them back and cuts
// connections nobody honest is logged out or comes to another token than the
// other holders of the session; and all the same each thief is found out, in
// whichever order it and the owner come, and every verifier refuses the session.
// SEALRING_FULL=1: 100,000 refreshes, 2,000 thieves, each refused within a second.
func TestABadNetworkMakesNoThiefAndHidesNone(t *testing.T) {
	seed := seedOf(t)
	site := newSite(t, size(6*time.Second, 15*time.Second), onServer(redistest.Start(t)))
	s := newNetwork(t, site, seed)
	rounds, clients, thieves := size(2, 48), size(30, 600), size(24, 2000)
	var running sync.WaitGroup
	var honest []*jar
	for i := range 5 * clients / 2 { // two of five are browsers with three tabs
		j, tabs := s.newJar([]kind{plain, mobile, plain, mobile, tab}[i%5]), 1
		if j.kind == tab {
			tabs = 3
		}
		honest = append(honest, j)
		for range tabs {
			running.Go(func() { s.honest(j, rounds) })
		}
	}
	thefts, failed := s.thieves(thieves, time.Duration(max(rounds-3, 0))*site.grace, &running)
	running.Wait()
	s.judge(honest)
	s.report(thefts, failed, seed)
}

// thieves steal tokens in the course of a span, one half in each order.
func (s *network) thieves(n int, span time.Duration, running *sync.WaitGroup) (all []*theft, failed chan error) {
	failed = make(chan error, n)
	for i := range n {
		f := s.steal(kind(i / 2 % int(kinds)))
		all = append(all, f)
		running.Go(func() {
			time.Sleep(rand.N(span + 1))
			come := f.afterOwner
			if i%2 == 1 {
				come = f.beforeOwner
			}
			if err := come(); err != nil {
				failed <- err
			}
		})
	}
	return all, failed
}

// judge fails unless every honest session lives and nothing strange was seen.
func (s *network) judge(honest []*jar) {
	s.t.Helper()
	for _, j := range honest {
		is, access := j.holds()
		if _, err := s.guards[0].guard.Check(with(s.t.Context(), j.kind, access)); err != nil {
			s.note(fmt.Sprintf("an honest session, %+v, is refused: %v", is, err))
		}
		if verdict, ok := s.alarms.of(is.sid); ok {
			s.note("an honest session: " + verdict.text)
		}
	}
	if len(s.strange) > 0 {
		s.t.Errorf("%d strange things: %s", len(s.strange), strings.Join(s.strange[:min(20, len(s.strange))], "\n"))
	}
	if s.n.outside > 0 {
		s.t.Errorf("%d requests came too late, or may have", s.n.outside)
	}
}

func (s *network) report(thefts []*theft, failed chan error, seed uint64) {
	s.t.Helper()
	s.t.Logf("seed %d: %+v, %d more made up by the proxy", seed, s.n, s.proxy.extra.Load())
	close(failed)
	for err := range failed {
		s.t.Errorf("a thief: %v", err)
	}
	if n := s.alarms.count(); n != len(thefts) {
		s.t.Errorf("%d alarms for %d thieves", n, len(thefts))
	}
	var lags []time.Duration
	for _, f := range thefts {
		lags = append(lags, f.lags...)
	}
	if sorted(lags); len(lags) != len(thefts)*len(s.guards) {
		s.t.Fatalf("%d of %d refusals", len(lags), len(thefts)*len(s.guards))
	}
	if worst := lags[len(lags)-1]; size(false, true) && worst > time.Second {
		s.t.Errorf("a verifier refused a session %v after the verdict", worst)
	}
	s.t.Logf("%d thieves, %d verifiers refuse after p50 %v, p99 %v, at most %v", len(thefts), len(s.guards),
		percentile(lags, 50), percentile(lags, 99), percentile(lags, 100))
	for m := range mischiefs {
		s.t.Logf("%s: %d", mischiefNames[m], s.proxy.counts[m].Load())
		if s.proxy.counts[m].Load() == 0 {
			s.t.Errorf("no request met with %q", mischiefNames[m])
		}
	}
}

// seedOf is SEALRING_SEED, or any.
func seedOf(t *testing.T) uint64 {
	said := os.Getenv("SEALRING_SEED")
	if said == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(said, 10, 64)
	must(t, err)
	return seed
}
