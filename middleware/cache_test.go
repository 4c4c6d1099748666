package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// cookieOf is the session cookie of a token.
func (l *localTrust) cookieOf(tb testing.TB, token string) string {
	tb.Helper()
	return l.cookieWith(tb, token, []byte(`{"cart":3}`))
}

func (l *localTrust) cookieWith(tb testing.TB, token string, data []byte) string {
	tb.Helper()
	k, err := l.ring.Current(keys.SessionCookie, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	sealed, err := tokens.SealSession(&tokens.Session{Token: token, Data: data, SessionEnd: end, IdleEnd: end}, k)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func cookieRequest(value string) *http.Request {
	return &http.Request{Method: http.MethodGet, Header: http.Header{"Cookie": {"a=b; " + HostCookie + "=" + value}}}
}

// What decides about a request whose credential was seen before takes no memory:
// neither verifies nor opens anything, since both do.
func TestACredentialThatWasSeenBeforeIsDecidedWithoutMemory(t *testing.T) {
	l := newLocalTrust(t)
	l.list = manyEntries(1000)
	g := localGuard(t, l, nil)
	raw := l.token(t)
	for name, r := range map[string]*http.Request{"bearer": bearerRequest(raw), "cookie": cookieRequest(l.cookieOf(t, raw))} {
		t.Run(name, func(t *testing.T) {
			decide := func() {
				if _, _, err := g.decide(r, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			decide()
			if n := testing.AllocsPerRun(100, decide); n != 0 {
				t.Errorf("%v allocations", n)
			}
			l.list.Apply(time.Now(), revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Hour)))
			if n := testing.AllocsPerRun(100, decide); n != 0 {
				t.Errorf("%v allocations with another list", n)
			}
		})
	}
}

// Whatever a verification depends on can change between two requests with the
// same credential.
func TestWhatWasVerifiedOnceIsAskedAboutEveryTime(t *testing.T) {
	start := time.Now()
	for name, c := range map[string]struct {
		change func(*localTrust, *tokens.Claims)
		now    time.Time
		want   error
	}{
		"nothing":                {func(*localTrust, *tokens.Claims) {}, start, nil},
		"it has expired":         {func(*localTrust, *tokens.Claims) {}, start.Add(testLife + DefaultClockSkew + time.Second), ErrExpired},
		"the clock was set back": {func(*localTrust, *tokens.Claims) {}, start.Add(-2 * DefaultClockSkew), ErrInvalidToken},
		"no key can be had":      {func(l *localTrust, _ *tokens.Claims) { l.fault = keys.ErrUnavailable }, start, ErrUnavailable},
		"its key is gone":        {func(l *localTrust, _ *tokens.Claims) { l.without = keys.AccessToken }, start, ErrInvalidToken},
		"the source errs":        {func(l *localTrust, _ *tokens.Claims) { l.other = true }, start, ErrInvalidToken},
		"its session was revoked": {revokes(func(c *tokens.Claims, t time.Time) revocation.Entry {
			return revocation.SessionEntry(c.SessionID, t, t)
		}), start, ErrRevoked},
		"it was revoked": {revokes(func(c *tokens.Claims, t time.Time) revocation.Entry { return revocation.TokenEntry(c.ID, t, t) }), start, ErrRevoked},
		"its subject was revoked": {revokes(func(_ *tokens.Claims, t time.Time) revocation.Entry {
			return revocation.SubjectEntry(testIssuer, "ann", t, t)
		}), start, ErrRevoked},
		"its key was revoked": {revokes(func(c *tokens.Claims, t time.Time) revocation.Entry {
			return revocation.KeyEntry(testIssuer, c.KeyID, t, t)
		}), start, ErrKeyRevoked},
		"its subject's roles are others": {revokes(func(_ *tokens.Claims, t time.Time) revocation.Entry {
			return revocation.ClaimsEntry(testIssuer, "ann", t, t)
		}), start, ErrRefreshNeeded},
		"token and list are too old": {func(l *localTrust, _ *tokens.Claims) { l.setAsOf(start) }, start.Add(4 * time.Minute), ErrRefreshNeeded},
	} {
		for kind, request := range map[string]func(*localTrust, string) *http.Request{
			"bearer": func(_ *localTrust, raw string) *http.Request { return bearerRequest(raw) },
			"cookie": func(l *localTrust, raw string) *http.Request { return cookieRequest(l.cookieOf(t, raw)) },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				l := newLocalTrust(t)
				g := localGuard(t, l, func(c *Config) { c.MaxStale = 3 * time.Minute })
				r := request(l, l.token(t))
				v, _, err := g.decide(r, start)
				if err != nil {
					t.Fatal(err)
				}
				c.change(l, v.claims)
				if _, _, err := g.decide(r, c.now); (err == nil) != (c.want == nil) || err != nil && !errors.Is(refusal(err), c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		}
	}
}

// revokes applies an entry with a time after every login, and an end far off.
func revokes(entry func(*tokens.Claims, time.Time) revocation.Entry) func(*localTrust, *tokens.Claims) {
	return func(l *localTrust, c *tokens.Claims) { l.apply(entry(c, time.Now().Add(time.Hour))) }
}

// A cookie whose key is gone cannot be opened, though the token in it is good.
func TestACookieNeedsItsOwnKeyEveryTime(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	raw := l.token(t)
	r, bare := cookieRequest(l.cookieOf(t, raw)), bearerRequest(raw)
	for _, r := range []*http.Request{r, bare} {
		if _, err := g.Check(r); err != nil {
			t.Fatal(err)
		}
	}
	l.without = keys.SessionCookie
	if _, err := g.Check(r); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("the cookie: %v", err)
	}
	if _, err := g.Check(bare); err != nil {
		t.Errorf("the bare token: %v", err)
	}
}

func TestACookieThatWasSeenIsNoBearerToken(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	raw := l.token(t)
	sealed := l.cookieOf(t, raw)
	for _, r := range []*http.Request{bearerRequest(raw), cookieRequest(sealed)} {
		if _, err := g.Check(r); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]*http.Request{"the cookie as a token": bearerRequest(sealed), "the token as a cookie": cookieRequest(raw)} {
		if _, err := g.Check(r); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A credential is found by all of its bytes, where another has the same hash too.
func TestACredentialIsFoundByEveryByte(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	raw := l.token(t)
	if _, err := g.Check(bearerRequest(raw)); err != nil {
		t.Fatal(err)
	}
	for i := range raw[:len(raw)-tail] { // what is hashed stays as it is
		other := []byte(raw)
		other[i] ^= 1
		if v := g.seen.find(credential{value: string(other)}); v != nil {
			t.Fatalf("found with byte %d changed", i)
		}
	}
	if g.seen.find(credential{value: raw}) == nil {
		t.Error("not found as it was")
	}
}

func TestWhatAHandlerDoesToItsSessionTheNextDoesNotSee(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	c := l.claims()
	c.Roles, c.Scope = []string{"clerk", "buyer"}, []string{"orders:read"}
	raw := l.tokenOf(t, c, nil)
	for _, r := range []*http.Request{bearerRequest(raw), cookieRequest(l.cookieOf(t, raw))} {
		for range 3 {
			s, err := g.Check(r)
			if err != nil {
				t.Fatal(err)
			}
			claims := s.Claims()
			if s.HasRole("admin") || !s.HasRole("clerk") || !s.HasScope("orders:read") || s.Audience[0] != "orders" ||
				s.Subject != "ann" || claims.Roles[0] != "clerk" || len(s.Data) > 0 && string(s.Data) != `{"cart":3}` {
				t.Fatalf("poisoned: %+v", s)
			}
			_, _ = append(s.Scopes, "admin"), append(s.Roles, "admin")
			if s.Roles[0] != "clerk" || s.Audience[0] != "orders" {
				t.Fatal("a list that grew has overwritten the next one")
			}
			claims.Roles[0], claims.Scope[0], claims.Audience[0] = "admin", "admin", "admin"
			s.Roles[0], s.Scopes[0], s.Audience[0], s.Subject = "admin", "admin", "admin", "root"
			for i := range s.Data {
				s.Data[i] = ' '
			}
		}
	}
}

// seenAs makes a credential that was verified, without the cost of that.
func seenAs(value string, until time.Time) *verified {
	c := &tokens.Claims{Subject: value, Audience: []string{"orders"}, ExpiresAt: until, IssuedAt: until.Add(-time.Hour)}
	return newVerified(credential{value: value}, c, nil, 0)
}

// numbered is a credential that ends like no other.
func numbered(kind string, i int) string { return fmt.Sprintf("%s-%0500d", kind, i) }

func TestAFloodOfValidTokensDoesNotPushOutThoseInUse(t *testing.T) {
	const bytes = 2 << 20
	c, now := newCache(bytes), time.Now()
	end := now.Add(time.Hour)
	const good = 300
	for i := range good {
		c.put(seenAs(numbered("good", i), end), now)
	}
	missed := 0
	use := func() {
		for i := range good {
			value := numbered("good", i)
			if c.find(credential{value: value}) == nil {
				missed++
				c.put(seenAs(value, end), now)
			}
		}
	}
	use()
	missed = 0
	for i := range 100_000 {
		c.put(seenAs(numbered("evil", i), end), now)
		if i%3 == 0 { // some are shown twice
			c.find(credential{value: numbered("evil", i)})
		}
		if i%1000 == 0 {
			use()
		}
		if n := c.trial.bytes + c.kept.bytes; n > bytes {
			t.Fatalf("%d bytes, more than %d", n, bytes)
		}
	}
	if missed > good { // one in a hundred
		t.Errorf("%d of %d requests with good tokens missed", missed, 100*good)
	}
	wantWhole(t, c)
}

// wantWhole demands that what the chains hold is what the queues do.
func wantWhole(t *testing.T, c *cache) {
	t.Helper()
	queued, chained := map[*verified]bool{}, 0
	for _, q := range []*queue{&c.trial, &c.kept} {
		n, bytes := 0, 0
		for v := q.first; v != nil; v = v.behind {
			queued[v] = true
			n, bytes = n+1, bytes+v.size
		}
		if n != q.n || bytes != q.bytes || bytes > q.most {
			t.Errorf("a queue of %d and %d bytes says %d and %d, at most %d", n, bytes, q.n, q.bytes, q.most)
		}
	}
	for i := range c.buckets {
		for v := c.buckets[i].Load(); v != nil; v = v.next.Load() {
			if chained++; !queued[v] {
				t.Error("in a chain and in no queue")
			}
		}
	}
	if chained != len(queued) {
		t.Errorf("%d in chains, %d in queues", chained, len(queued))
	}
}

func TestWhatIsNotSeenAgainMakesRoomForWhatIs(t *testing.T) {
	c, now := newCache(1<<20), time.Now()
	end := now.Add(time.Hour)
	for i := range 5000 { // until it is full, with nothing that comes again
		c.put(seenAs(numbered("once", i), end), now)
	}
	for i := range 200 {
		c.put(seenAs(numbered("twice", i), end), now)
		c.find(credential{value: numbered("twice", i)})
	}
	for i := range 200 {
		c.put(seenAs(numbered("more", i), end), now)
	}
	for i := range 200 {
		if c.find(credential{value: numbered("twice", i)}) == nil {
			t.Fatalf("number %d of those seen twice is gone", i)
		}
	}
	wantWhole(t, c)
}

// The memory of expired credentials comes back as others come.
func TestWhatHasExpiredIsLetGoOf(t *testing.T) {
	c, now := newCache(4<<20), time.Now()
	for i := range 1000 {
		c.put(seenAs(numbered("old", i), now.Add(time.Minute)), now)
	}
	later := now.Add(2 * time.Minute)
	for i := range 1000 {
		c.put(seenAs(numbered("new", i), later.Add(time.Minute)), later)
	}
	dead := 0
	for i := range 1000 {
		if c.find(credential{value: numbered("old", i)}) != nil {
			dead++
		}
	}
	if dead > 0 {
		t.Errorf("%d of 1000 are still there", dead)
	}
	wantWhole(t, c)
}

func TestWhatIsVerifiedTwiceAtOnceIsRememberedOnce(t *testing.T) {
	c, now := newCache(1<<20), time.Now()
	for range 3 {
		c.put(seenAs("x", now.Add(time.Hour)), now)
	}
	if c.trial.n != 1 {
		t.Errorf("it is there %d times", c.trial.n)
	}
	wantWhole(t, c)
}

func TestACacheWithoutRoomHoldsNothing(t *testing.T) {
	c, now := newCache(0), time.Now()
	for i := range 10 {
		c.put(seenAs(numbered("x", i), now.Add(time.Hour)), now)
	}
	if c.trial.n+c.kept.n != 0 {
		t.Errorf("%d and %d", c.trial.n, c.kept.n)
	}
	wantWhole(t, c)
}

func TestManyMayReadAndWriteTheCacheAtOnce(t *testing.T) {
	c, now := newCache(200<<10), time.Now()
	var done sync.WaitGroup
	for w := range 4 {
		done.Go(func() {
			for i := range 3000 {
				value := numbered("x", (i*7+w)%500)
				v := c.find(credential{value: value})
				if v == nil {
					c.put(seenAs(value, now.Add(time.Hour)), now)
				} else if v.claims.Subject != value {
					t.Errorf("%q found for %q", v.claims.Subject, value)
				}
			}
		})
	}
	done.Wait()
	wantWhole(t, c)
}

// What a credential counts for is what it takes: no less, and not twice as much.
func TestTheBytesThatAreCountedAreThoseThatAreTaken(t *testing.T) {
	l := newLocalTrust(t)
	k, err := l.ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, roles := range []int{0, 5, 50} {
		for _, sealed := range []bool{false, true} {
			g := localGuard(t, l, nil)
			c := l.claims()
			for i := range roles {
				c.Roles = append(c.Roles, fmt.Sprint("role-", i))
			}
			var rs []*http.Request
			for range 64 {
				c.ID, c.SessionID = tokens.NewID(), tokens.NewID()
				raw, err := tokens.Sign(c, k)
				if err != nil {
					t.Fatal(err)
				}
				r := bearerRequest(raw)
				if sealed {
					r = cookieRequest(l.cookieOf(t, raw))
				}
				rs = append(rs, r)
			}
			before := heap()
			for _, r := range rs {
				if _, _, err := g.decide(r, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			taken, counted := heap()-before, g.seen.trial.bytes
			if taken > counted || taken < counted/2 {
				t.Errorf("%d roles, sealed %v: %d bytes taken, %d counted", roles, sealed, taken/64, counted/64)
			}
			runtime.KeepAlive(rs)
		}
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// To serve a request takes its context and the request with that, and nothing else,
// as long as its handler does not ask whether the session has ended.
func TestWhatIsServedAgainTakesTwoPiecesOfMemory(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	r, w := bearerRequest(l.token(t)), httptest.NewRecorder()
	for name, h := range map[string]http.Handler{
		"by Handler":                 g.Handler(nobody),
		"by Optional":                g.Optional(nobody),
		"by two rules under Handler": g.Handler(g.RequireFresh(time.Hour)(g.RequireRecentLogin(time.Hour)(nobody))),
	} {
		h.ServeHTTP(w, r)
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 2 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// nobody looks for its session, and at nothing else.
var nobody = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { FromContext(r.Context()) })
