package middleware

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// size returns the one at full size where SEALRING_FULL asks for it.
func size(everyday, full int) int {
	if os.Getenv("SEALRING_FULL") != "" {
		return full
	}
	return everyday
}

// A flood of tokens that are no good, no two of them alike, neither takes memory
// nor pushes out those that are. SEALRING_FULL=1: 1,000,000 of them.
func TestAFloodOfInvalidTokensTakesNothing(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	const users = 500
	var good []*http.Request
	for range users {
		good = append(good, bearerRequest(l.token(t)))
	}
	served := func() (hits int) {
		for _, r := range good {
			cred, err := g.credential(r)
			if err != nil {
				t.Fatal(err)
			}
			if g.seen.find(cred) != nil {
				hits++
			}
			if _, err := g.Check(r); err != nil {
				t.Fatalf("a good token: %v", err)
			}
		}
		return hits
	}
	served() // the first time
	evil := newEvil(t, l)
	n, hits, asked := size(20_000, 1_000_000), 0, 0
	before := heap()
	for i := range n {
		if _, err := g.Check(evil.request(i)); err == nil {
			t.Fatalf("number %d is served", i)
		}
		if i%(n/20) == 0 {
			hits += served()
			asked += users
		}
	}
	if 100*hits < 99*asked {
		t.Errorf("%d of %d requests with good tokens were hits", hits, asked)
	}
	after := heap()
	t.Logf("%d tokens, %d of %d good ones hit, %+d bytes of memory", n, hits, asked, after-before)
	if after-before > 1<<20 {
		t.Errorf("%d bytes of memory more", after-before)
	}
}

// evil makes requests with tokens that are refused, each for another reason.
type evil struct {
	of, expired, strange string
	rng                  *rand.Rand
}

// expired is a token whose time was over long ago.
func (l *localTrust) expired(tb testing.TB) string {
	tb.Helper()
	return l.tokenOf(tb, l.claims(), func(c *tokens.Claims) {
		c.IssuedAt = c.IssuedAt.Add(-time.Hour)
		c.AuthTime, c.ExpiresAt = c.IssuedAt, c.IssuedAt.Add(testLife)
	})
}

func newEvil(t *testing.T, l *localTrust) *evil {
	return &evil{l.token(t), l.expired(t), newLocalTrust(t).token(t), rand.New(rand.NewPCG(1, 2))}
}

func (e *evil) request(i int) *http.Request {
	sig := func(token string) string { // of another signature
		at := strings.LastIndexByte(token, '.') + 1
		return token[:at] + fmt.Sprintf("%020d%020d", i, e.rng.Uint64()) + token[at+40:]
	}
	switch i % 16 {
	case 0:
		return bearerRequest(sig(e.of)) // which costs a look at the signature
	case 1, 2, 3, 4, 5:
		return bearerRequest(sig(e.expired))
	case 6, 7, 8, 9, 10:
		return bearerRequest(sig(e.strange)) // of a key that nobody knows
	}
	return bearerRequest(fmt.Sprintf("%d.%s.%d", i, strings.Repeat("x", e.rng.IntN(500)), e.rng.Uint64()))
}

// Each answer is the one to its request, whoever else is asking: 64 users, by
// bearer and by cookie, all at once. SEALRING_FULL=1: each 1,000,000 times.
func TestEveryAnswerBelongsToItsRequest(t *testing.T) {
	const users = 64
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := FromContext(r.Context())
		w.Header().Set("Who", s.Subject+" "+s.ID)
	}))
	n := size(2000, 1_000_000)
	var all sync.WaitGroup
	for i := range users {
		c := l.claims()
		c.Subject = fmt.Sprintf("user-%d", i)
		raw := l.tokenOf(t, c, nil)
		r, want := bearerRequest(raw), c.Subject+" "+c.SessionID.String()
		if i%4 == 0 {
			r = cookieRequest(l.cookieOf(t, raw))
			r.URL = &url.URL{Path: "/"}
		}
		all.Go(func() {
			w := httptest.NewRecorder()
			for range n {
				w.Header().Del("Who")
				h.ServeHTTP(w, r)
				if got := w.Header().Get("Who"); got != want {
					t.Errorf("%s is answered as %q", want, got)
					return
				}
			}
		})
	}
	all.Wait()
	if left := g.Status().Requests; left != 0 {
		t.Errorf("%d requests are left", left)
	}
}
