// Package authtest gives a service's own tests an issuer: a small one, in the
// test's process, that speaks to a guard exactly as Sealring does.
//
//	func TestOrdersWantASession(t *testing.T) {
//		iss := authtest.New(t)
//		guard := iss.Guard() // or middleware.New with iss.Config, as the service makes its own
//		token := iss.Token(authtest.Subject("ann"), authtest.Scope("orders:read"))
//		// … a request with "Authorization: Bearer " + token is served
//		iss.Revoke(token)
//		iss.Await(guard)
//		// … and now it is answered 401
//	}
//
// Keys, signatures, revocations and the feed are the real ones; there is no
// way to have a guard accept what it would not accept otherwise. What a test can
// have happen, to see what the service does:
//
//   - a session of any kind: Token, Cookie and SealedCookie, with Subject, Scope,
//     Roles, Audience, Client, SessionID
//   - a token that is old, expired or about to be: Issued, Life, LoggedIn
//   - a logout, roles that have changed, the end of one token or of all: Revoke,
//     RevokeSubject, RevokeClaims, RevokeToken, RevokeAll; Publish for any other entry
//   - new keys, and a key that somebody has stolen: Rotate, RevokeKey
//   - a feed that is cut, and an issuer that is away: CutFeed, Down, and back:
//     RestoreFeed, Up
//   - hours that pass in no time: InBubble
//
// Await makes a test certain: it waits until a guard has heard of all that was
// done so far.
package authtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Issuer is an issuer for tests. Its fields are set by New; Audience and
// TokenLife may be changed before the first token. Its methods are safe for
// concurrent use; each fails the test when it can not do its work.
type Issuer struct {
	URL          string        // what Config.Issuer has to be
	HTTP         *http.Client  // what Config.HTTP has to be; nil but for InBubble
	ClientID     string        // a service client with the scopes feed and session-keys
	ClientSecret string        //
	Audience     string        // of tokens that name no other
	TokenLife    time.Duration // of tokens that name no other end

	t      testing.TB
	server *httptest.Server

	mu        sync.Mutex
	rings     []*keys.Ring // the last one signs tokens, the first one the feed
	gen       uint64
	entries   []revocation.Entry
	frames    []frame // since the start
	pos       revocation.Position
	conns     map[*subscriber]struct{}
	down      bool
	cut       bool
	verifiers map[string]uint64 // by id: the generation of the keys that each holds
	requests  map[string]int
	accepted  int
}

// New starts an issuer on a loopback port and closes it when the test ends.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := newIssuer(t)
	i.server.Start()
	i.URL = i.server.URL
	return i
}

// newIssuer returns an issuer that has not started to serve.
func newIssuer(t testing.TB) *Issuer {
	now := time.Now()
	i := &Issuer{
		ClientID:     "test-client",
		ClientSecret: "test-secret",
		Audience:     "test-service",
		TokenLife:    5 * time.Minute,
		t:            t,
		gen:          1,
		pos:          revocation.Position{Epoch: uint64(now.UnixNano()), Cursor: revocation.Cursor{Ms: uint64(now.UnixMilli())}},
		conns:        map[*subscriber]struct{}{},
		verifiers:    map[string]uint64{},
		requests:     map[string]int{},
	}
	i.rings = []*keys.Ring{i.ring(now)}
	i.server = httptest.NewUnstartedServer(i.handler())
	i.server.Config.ConnState = i.count
	t.Cleanup(i.Close)
	return i
}

// ring makes a set of new keys.
func (i *Issuer) ring(now time.Time) *keys.Ring {
	r, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now)
	if err != nil {
		i.t.Fatalf("authtest: making keys: %v", err)
	}
	return r
}

// Close ends the issuer for good. It may be called more than once.
func (i *Issuer) Close() {
	i.Down()
	i.server.Close()
	if i.HTTP != nil {
		i.HTTP.CloseIdleConnections()
	}
}

// Down makes the issuer unreachable: connections break, and new ones get no
// answer.
func (i *Issuer) Down() {
	i.setDown(true)
	i.server.CloseClientConnections()
}

// Up ends Down. What was known is still known.
func (i *Issuer) Up() { i.setDown(false) }

func (i *Issuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
	i.hangUp()
}

// CutFeed breaks the feed and lets nobody on to it again; everything else goes
// on to answer.
func (i *Issuer) CutFeed() { i.setCut(true) }

// RestoreFeed ends CutFeed.
func (i *Issuer) RestoreFeed() { i.setCut(false) }

func (i *Issuer) setCut(cut bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cut = cut
	i.hangUp()
}

// Requests returns how often a path was asked for.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// Connections returns how many connections there have been.
func (i *Issuer) Connections() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.accepted
}

// Followers returns how many connections follow the feed now.
func (i *Issuer) Followers() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.conns)
}

func (i *Issuer) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.accepted++
	}
}
