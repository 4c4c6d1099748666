package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/go-chi/jwtauth/v5"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

// by is a handler of a function that finds a token good.
func by(good func(token string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !good(token) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		served(w, r)
	})
}

// rawES256 is the one signature check that each of them has to make, and nothing
// else: the limit.
func rawES256(public *ecdsa.PublicKey, token string) http.Handler {
	signed, sig := apart(token)
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		digest := sha256.Sum256([]byte(signed))
		if !ecdsa.Verify(public, digest[:], r, s) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		served(w, req)
	})
}

func rawEdDSA(public ed25519.PublicKey, token string) http.Handler {
	signed, sig := apart(token)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !ed25519.Verify(public, []byte(signed), sig) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		served(w, req)
	})
}

// apart is what is signed, and the signature.
func apart(token string) (signed string, sig []byte) {
	i := strings.LastIndexByte(token, '.')
	sig, _ = base64.RawURLEncoding.DecodeString(token[i+1:]) // we have made it
	return token[:i], sig
}

func golangJWT(public any) http.Handler {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	key := func(*jwt.Token) (any, error) { return public, nil }
	return by(func(token string) bool {
		var claims jwt.RegisteredClaims
		_, err := parser.ParseWithClaims(token, &claims, key)
		return err == nil
	})
}

func withKeyfunc(public any, kid string) (http.Handler, error) {
	jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.AlgES256, USE: jwkset.UseSig}})
	if err != nil {
		return nil, err
	}
	store := jwkset.NewMemoryStorage()
	if err := store.KeyWrite(context.Background(), jwk); err != nil {
		return nil, err
	}
	k, err := keyfunc.New(keyfunc.Options{Storage: store})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return by(func(token string) bool {
		var claims jwt.RegisteredClaims
		_, err := parser.ParseWithClaims(token, &claims, k.Keyfunc)
		return err == nil
	}), nil
}

func goJose(public any) http.Handler {
	return by(func(token string) bool {
		t, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return false
		}
		var claims josejwt.Claims
		if t.Claims(public, &claims) != nil {
			return false
		}
		return claims.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()}) == nil
	})
}

func jwx(public any) http.Handler {
	return by(func(token string) bool {
		_, err := jwxjwt.ParseString(token, jwxjwt.WithKey(jwa.ES256(), public), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
		return err == nil
	})
}

func auth0(public any) (http.Handler, error) {
	v, err := validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return public, nil }),
		validator.WithAlgorithm(validator.ES256), validator.WithIssuer(issuer), validator.WithAudience(audience),
	)
	if err != nil {
		return nil, err
	}
	m, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		return nil, err
	}
	return m.CheckJWT(served), nil
}

// chiJWT leaves issuer and audience to options of jwx.
func chiJWT(public any) http.Handler {
	ja := jwtauth.New("ES256", nil, public)
	return jwtauth.Verifier(ja)(jwtauth.Authenticator(ja)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _, err := jwtauth.FromContext(r.Context())
		if err != nil || t.Issuer() != issuer || !slices.Contains(t.Audience(), audience) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		served(w, r)
	})))
}

// kidOf is the key that a token names.
func kidOf(token string) string {
	t, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		return ""
	}
	kid, _ := t.Header["kid"].(string)
	return kid
}
