package middleware

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Requests come and are renewed while entries of every kind are applied. Once
// all are done, none is live that an entry in the list matches, and none has
// ended that no entry matches.
func TestNoEntryEverLeavesALiveHandleThatItMatches(t *testing.T) {
	l := newLocalTrust(t)
	for range 500 {
		list := revocation.NewList()
		l.list = list
		g := localGuard(t, l, nil)
		first, second := l.claims(), l.claims()
		second.SessionID, second.KeyID, second.Audience = first.SessionID, "new", []string{"orders", "new"}
		first.KeyID = "old"
		end := time.Now().Add(time.Hour)
		soon := time.Now().Add(time.Minute)
		entries := []revocation.Entry{
			revocation.TokenEntry(second.ID, soon, end),
			revocation.TokenEntry(first.ID, soon, end),
			revocation.SessionEntry(first.SessionID, soon, end),
			revocation.SubjectEntry(testIssuer, "ann", soon, end),
			revocation.ClientEntry(testIssuer, "login", soon, end),
			revocation.AudienceEntry(testIssuer, "new", soon, end),
			revocation.KeyEntry(testIssuer, "new", soon, end),
			revocation.AllEntry(soon, end),
			revocation.ClaimsEntry(testIssuer, "ann", soon, end),
		}
		raceOnce(t, l, g, first, second, entries[rand.N(len(entries))])
		g.Close()
	}
}

func raceOnce(t *testing.T, l *localTrust, g *Guard, first, second *tokens.Claims, e revocation.Entry) {
	const handles = 4
	var (
		done   sync.WaitGroup
		start  = make(chan struct{})
		visits [handles]*visit
	)
	for i := range visits {
		done.Go(func() {
			<-start
			v := visitOf(t.Context(), g, newSession(first, "", nil, 0))
			v.watch()
			visits[i] = v
			if i%2 == 0 {
				return
			}
			want := ErrInvalidToken
			if e.Type == revocation.Claims {
				want = ErrRefreshNeeded
			}
			if err := v.renew(newSession(second, "", nil, 0)); err != nil && !errors.Is(err, want) {
				t.Errorf("renewing: %v", err)
			}
		})
	}
	done.Go(func() { <-start; l.apply(e) })
	close(start)
	done.Wait()
	for _, v := range visits {
		if v == nil {
			continue
		}
		v.mu.Lock()
		cause, s := v.cause, v.session.Load()
		v.mu.Unlock()
		if dead := g.live.revoked(s.claims); !errors.Is(cause, dead) {
			t.Errorf("an entry of type %v: the list says %v, the handle ended with %v", e.Type, dead, cause)
		}
		v.done()
	}
	if n := g.live.len(); n != 0 || len(g.live.heads) != 0 {
		t.Errorf("%d visits and %d lists are left", n, len(g.live.heads))
	}
}
