package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	issuer   = "https://auth.example.com/"
	audience = "orders"
	revoked  = 1_000_000 // on the guard's list
	many     = 2048      // tokens that no guard has seen
)

// auth is an issuer whose keys and revocations are in this process.
type auth struct {
	ring   *keys.Ring
	set    *keys.Set
	list   *revocation.List
	public crypto.PublicKey
}

func newAuth(alg keys.Alg) (*auth, error) {
	now := time.Now()
	ring, err := keys.NewRing(keys.DefaultPlan(), alg, now)
	if err != nil {
		return nil, err
	}
	k, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		return nil, err
	}
	a := &auth{ring: ring, set: ring.PublicSet(now), list: revocation.NewList(), public: k.Public()}
	a.list.Apply(now, nobodys(revoked, now)...)
	return a, nil
}

// nobodys are revocations of sessions, tokens, subjects and clients that no
// request is of.
func nobodys(n int, now time.Time) []revocation.Entry {
	all := make([]revocation.Entry, n)
	for i := range all {
		all[i] = revocation.Entry{Type: revocation.Type(1 + i%4), T: uint32(now.Unix()), Exp: uint32(now.Add(time.Hour).Unix())}
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		copy(all[i].ID[:], sum[:])
	}
	return all
}

// token is of a session of its own.
func (a *auth) token() (string, error) {
	now := time.Now().UTC().Truncate(time.Second)
	k, err := a.ring.Current(keys.AccessToken, now)
	if err != nil {
		return "", err
	}
	return tokens.Sign(&tokens.Claims{
		Issuer: issuer, Subject: "01987a6e-5c1f-7c7a-9d53-2b8a4f0e6b11", Audience: []string{audience}, ClientID: "login",
		IssuedAt: now, AuthTime: now, ExpiresAt: now.Add(10 * time.Minute), ID: tokens.NewID(), SessionID: tokens.NewID(),
		Scope: []string{"orders:read", "orders:write"}, Roles: []string{"buyer"},
	}, k)
}

// Key and what follows make auth a middleware.Trust, as a follower of the issuer is.
func (a *auth) Key(kid string, p keys.Purpose, now time.Time) (keys.Key, error) {
	if p == keys.AccessToken {
		return a.set.Key(kid, p, now)
	}
	return a.ring.Key(kid, p, now)
}

func (a *auth) Holds(kid string, p keys.Purpose, now time.Time) bool {
	if p == keys.AccessToken {
		return a.set.Has(kid, p)
	}
	_, err := a.ring.Key(kid, p, now)
	return err == nil
}

func (a *auth) Revocations() *revocation.List                 { return a.list }
func (a *auth) AsOf() time.Time                               { return time.Now() }
func (a *auth) Ready() bool                                   { return true }
func (a *auth) Refresh()                                      {}
func (a *auth) Subscribe(func([]revocation.Entry)) (f func()) { return func() {} }

func (a *auth) guard() (*middleware.Guard, error) {
	return middleware.New(context.Background(), middleware.Config{Issuer: issuer, Audience: audience, Trust: a})
}

func bearer(token string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "https://orders.example.com/cart", nil) // of constants: does not fail
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

const hotName = "**Sealring's guard**, a token that comes again"

// hot is the guard and a token that comes again, which is what nearly all do.
func (a *auth) hot(token, bad string) (*contender, error) {
	g, err := a.guard()
	if err != nil {
		return nil, err
	}
	return &contender{name: hotName, handler: g.Handler(served), good: []*http.Request{bearer(token)}, bad: bearer(bad)}, nil
}

// check is the guard's decision alone, without the context that ends with the
// session.
func (a *auth) check(token, bad string) (*contender, error) {
	g, err := a.guard()
	if err != nil {
		return nil, err
	}
	return &contender{
		name: "its decision alone (`guard.Check`)", good: []*http.Request{bearer(token)}, bad: bearer(bad),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := g.Check(r); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			served(w, r)
		}),
	}, nil
}

// cold is the guard and tokens that it has not seen.
func (a *auth) cold(name string) (*contender, error) {
	c := &contender{name: name}
	for range many {
		t, err := a.token()
		if err != nil {
			return nil, err
		}
		c.good = append(c.good, bearer(t))
	}
	var fresh http.Handler
	c.before = func() {
		g, err := a.guard()
		if err != nil {
			panic(err) // it was made before
		}
		fresh = g.Handler(served)
	}
	c.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fresh.ServeHTTP(w, r) })
	return c, nil
}
