package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"net/http"

	"github.com/sealring-dev/sealring/keys"
)

// contenders are all who take part, Sealring's guard first. stop ends what they
// have started.
func contenders() (all []*contender, stop func(), err error) {
	a, err := newAuth(keys.ES256)
	if err != nil {
		return nil, nil, err
	}
	ed, err := newAuth(keys.EdDSA)
	if err != nil {
		return nil, nil, err
	}
	client, stopRedis, err := startRedis()
	if err != nil {
		return nil, nil, err
	}
	token, bad, err := a.tokens()
	if err != nil {
		return nil, stopRedis, err
	}
	asked, stopAsked := introspection(token, bad)
	stop = func() { stopAsked(); stopRedis() }
	add := func(c *contender, failed error) {
		if err == nil {
			err = failed
		}
		all = append(all, c)
	}
	one := func(name string, h http.Handler, failed error) {
		add(&contender{name: name, handler: h, good: []*http.Request{bearer(token)}, bad: bearer(bad)}, failed)
	}
	add(a.hot(token, bad))
	add(a.check(token, bad))
	add(a.cold("Sealring's guard, tokens that it has not seen, ES256"))
	one("a bare ES256 signature check, the limit of all that follow", rawES256(a.public.(*ecdsa.PublicKey), token), nil)
	all[len(all)-1].bad = nil // it looks at no request
	one("golang-jwt/jwt by hand", golangJWT(a.public), nil)
	h, failed := withKeyfunc(a.public, kidOf(token))
	one("golang-jwt/jwt with MicahParks/keyfunc", h, failed)
	one("go-jose/go-jose by hand", goJose(a.public), nil)
	one("lestrrat-go/jwx by hand", jwx(a.public), nil)
	h, failed = auth0(a.public)
	one("auth0/go-jwt-middleware", h, failed)
	one("go-chi/jwtauth", chiJWT(a.public), nil)
	add(secureCookie())
	add(redisGet(client))
	add(scsRedis(client))
	add(asked, nil)
	edToken, _, failed := ed.tokens()
	add(&contender{name: "a bare EdDSA signature check", handler: rawEdDSA(ed.public.(ed25519.PublicKey), edToken), good: []*http.Request{bearer(edToken)}}, failed)
	add(ed.cold("Sealring's guard, tokens that it has not seen, EdDSA"))
	for name, about := range drawn {
		for _, c := range all {
			if c.name == name {
				c.about = about
			}
		}
	}
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("setting up: %w", err)
	}
	return all, stop, nil
}

// drawn are those in the plot, and what they are called there.
var drawn = map[string]string{
	hotName:                                   "Sealring's guard",
	"golang-jwt/jwt by hand":                  "golang-jwt",
	"auth0/go-jwt-middleware":                 "auth0",
	"go-chi/jwtauth":                          "go-chi/jwtauth",
	"alexedwards/scs with that Redis":         "scs with Redis",
	"asking an issuer on loopback (RFC 7662)": "introspection",
}

// tokens are a good one, and one with another signature.
func (a *auth) tokens() (good, bad string, err error) {
	if good, err = a.token(); err != nil {
		return "", "", err
	}
	other, err := a.token()
	signed, _ := apart(good)
	of, _ := apart(other)
	return good, signed + other[len(of):], err
}
