package middleware

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
	"pgregory.net/rapid"
)

// twins are two guards that trust the same. One remembers what it has verified
// and the other nothing.
type twins struct {
	*localTrust
	rings           []*keys.Ring // what the keys were, and are
	cached, without *Guard
	now             time.Time
	requests        []*http.Request
	claims          []*tokens.Claims
}

// holding is a localTrust that says quicker which keys it has, as a follower does.
type holding struct{ *localTrust }

func (h *holding) Holds(kid string, p keys.Purpose, now time.Time) bool {
	k, err := h.Key(kid, p, now)
	return err == nil && k.ID == kid
}

func newTwins(t *rapid.T, tb *testing.T) *twins {
	l := newLocalTrust(tb)
	var trust Trust = l
	if rapid.Bool().Draw(t, "holder") {
		trust = &holding{l}
	}
	w := &twins{localTrust: l, rings: []*keys.Ring{l.ring}, now: time.Now()}
	stale := rapid.SampledFrom([]time.Duration{0, 3 * time.Minute}).Draw(t, "max stale")
	config := func(c *Config) { c.MaxStale = stale }
	w.cached, w.without = localGuard(tb, trust, config), localGuard(tb, trust, config)
	w.without.seen = newCache(0)
	w.cached.seen = newCache(rapid.SampledFrom([]int{16 << 10, 1 << 20}).Draw(t, "bytes"))
	return w
}

// login makes a token and a cookie, and requests with each in either place.
func (w *twins) login(t *rapid.T, tb *testing.T) {
	at := w.now.UTC().Truncate(time.Second)
	c := &tokens.Claims{
		Issuer: testIssuer, Subject: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "sub"), Audience: []string{"orders"},
		IssuedAt: at, ExpiresAt: at.Add(testLife), ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login", AuthTime: at,
	}
	k, err := w.ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := tokens.Sign(c, k)
	if err != nil {
		tb.Fatal(err)
	}
	c.KeyID = k.ID
	sealed := w.cookieOf(tb, raw)
	w.claims = append(w.claims, c)
	w.requests = append(w.requests, bearerRequest(raw), cookieRequest(sealed), bearerRequest(sealed), cookieRequest(raw))
}

// ask has both guards judge a request, and demands that they say the same.
func (w *twins) ask(t *rapid.T, r *http.Request) {
	got, gotErr := w.cached.judge(r, w.now)
	want, wantErr := w.without.judge(r, w.now)
	if (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
		t.Fatalf("with the cache %v, without it %v", gotErr, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("with the cache %+v, without it %+v", got, want)
	}
}

// revoke applies an entry of any kind on one of the tokens, from before or after it.
func (w *twins) revoke(t *rapid.T) {
	if len(w.claims) == 0 {
		t.Skip("nobody is there")
	}
	c := rapid.SampledFrom(w.claims).Draw(t, "whom")
	at, end := w.now.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "before"))*time.Second), w.now.Add(24*time.Hour)
	w.list.Apply(w.now, rapid.SampledFrom([]revocation.Entry{
		revocation.SessionEntry(c.SessionID, at, end), revocation.TokenEntry(c.ID, at, end),
		revocation.SubjectEntry(testIssuer, c.Subject, at, end), revocation.ClientEntry(testIssuer, "login", at, end),
		revocation.AudienceEntry(testIssuer, "orders", at, end), revocation.ClaimsEntry(testIssuer, c.Subject, at, end),
		revocation.KeyEntry(testIssuer, c.KeyID, at, end), revocation.AllEntry(at, end),
	}).Draw(t, "entry"))
}

// In every history of logins, requests, revocations, changes of roles, rotations
// and clocks a guard says of a request what it would say if it remembered nothing.
func TestTheCacheChangesNoAnswer(tb *testing.T) {
	rapid.Check(tb, func(rt *rapid.T) {
		w := newTwins(rt, tb)
		defer w.cached.Close()
		defer w.without.Close()
		some := func(t *rapid.T) *http.Request {
			if len(w.requests) == 0 {
				t.Skip("nobody is there")
			}
			return rapid.SampledFrom(w.requests).Draw(t, "request")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"login":        func(t *rapid.T) { w.login(t, tb) },
			"ask":          func(t *rapid.T) { w.ask(t, some(t)) },
			"again":        func(t *rapid.T) { w.ask(t, some(t)) },
			"revoke":       w.revoke,
			"rotate":       func(*rapid.T) { w.ring = newLocalTrust(tb).ring; w.rings = append(w.rings, w.ring) },
			"another ring": func(t *rapid.T) { w.ring = rapid.SampledFrom(w.rings).Draw(t, "ring") },
			"a list":       func(*rapid.T) { w.setAsOf(w.now) },
			"keys": func(t *rapid.T) {
				w.localTrust.without = rapid.SampledFrom([]keys.Purpose{"", "", keys.AccessToken, keys.SessionCookie}).Draw(t, "without")
				w.fault = rapid.SampledFrom([]error{nil, nil, keys.ErrUnavailable, keys.ErrRevokedKey}).Draw(t, "fault")
				w.other = rapid.IntRange(0, 4).Draw(t, "other") == 0
			},
			"clock": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.Int64Range(-int64(3*time.Minute), int64(9*time.Minute)).Draw(t, "by")))
			},
			"": func(t *rapid.T) {
				for _, r := range w.requests {
					w.ask(t, r)
				}
			},
		})
	})
}
