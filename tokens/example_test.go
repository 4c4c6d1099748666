package tokens_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func Example() {
	now := time.Now()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now)
	if err != nil {
		panic(err)
	}

	// The issuer signs.
	key, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		panic(err)
	}
	raw, err := tokens.Sign(&tokens.Claims{
		Issuer: "https://auth.example.com", Subject: "ann", Audience: []string{"orders"}, ClientID: "login",
		IssuedAt: now, ExpiresAt: now.Add(5 * time.Minute), AuthTime: now,
		ID: tokens.NewID(), SessionID: tokens.NewID(), Scope: []string{"orders:read"},
	}, key)
	if err != nil {
		panic(err)
	}

	// A verifier holds only the public keys.
	expect := tokens.Expect{Issuer: "https://auth.example.com", Audiences: []string{"orders"}, Leeway: time.Minute}
	claims, err := tokens.Verify(raw, ring.PublicSet(now), expect, now)
	fmt.Println(claims.Subject, claims.Scope, err)

	_, err = tokens.Verify(raw, ring.PublicSet(now), expect, now.Add(time.Hour))
	fmt.Println(errors.Is(err, tokens.ErrInvalid), err)
	// Output:
	// ann [orders:read] <nil>
	// true invalid token: expired
}

func ExampleSeal() {
	now := time.Now()
	key, err := keys.Generate(keys.RefreshToken, keys.A256KW)
	if err != nil {
		panic(err)
	}
	sealed, err := tokens.Seal(tokens.TypRefresh, []byte("for the auth service alone"), key)
	if err != nil {
		panic(err)
	}

	opened, err := tokens.Open(tokens.TypRefresh, sealed, one{key}, now)
	fmt.Printf("%s %v\n", opened, err)

	_, err = tokens.Open(tokens.TypSession, sealed, one{key}, now)
	fmt.Println(err)
	// Output:
	// for the auth service alone <nil>
	// invalid token: bad-form: encrypted key of the wrong length
}

func ExampleSealSession() {
	now := time.Now()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, now)
	if err != nil {
		panic(err)
	}
	signing, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		panic(err)
	}
	sealing, err := ring.Current(keys.SessionCookie, now)
	if err != nil {
		panic(err)
	}
	token, err := tokens.Sign(&tokens.Claims{
		Issuer: "https://auth.example.com", Subject: "ann", Audience: []string{"orders"}, ClientID: "login",
		IssuedAt: now, ExpiresAt: now.Add(5 * time.Minute), AuthTime: now, ID: tokens.NewID(), SessionID: tokens.NewID(),
	}, signing)
	if err != nil {
		panic(err)
	}

	cookie, err := tokens.SealSession(&tokens.Session{
		Token: token, Data: []byte(`{"theme":"dark"}`),
		IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(12 * time.Hour),
	}, sealing)
	if err != nil {
		panic(err)
	}

	// Whoever holds the session keys opens the cookie, and finds the very token
	// that was sealed. It still has to be verified.
	session, err := tokens.OpenSession(cookie, ring, now)
	fmt.Println(session.Token == token, string(session.Data), err)
	// Output: true {"theme":"dark"} <nil>
}

func ExampleSignBytes() {
	now := time.Now()
	key, err := keys.Generate(keys.Feed, keys.EdDSA)
	if err != nil {
		panic(err)
	}
	frame, err := tokens.SignBytes(tokens.TypFeed, []byte{1, 2, 3}, key)
	if err != nil {
		panic(err)
	}
	payload, err := tokens.VerifyBytes(tokens.TypFeed, frame, one{key}, now)
	fmt.Println(payload, err)
	// Output: [1 2 3] <nil>
}

func ExampleSealRefresh() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key, err := keys.Generate(keys.RefreshToken, keys.A256KW)
	if err != nil {
		panic(err)
	}
	raw, err := tokens.SealRefresh(&tokens.Refresh{
		SessionID: tokens.NewID(), Generation: 4, IssuedAt: now.UnixMilli(), ParentIssuedAt: now.UnixMilli() - 300_000,
		Subject: "ann", ClientID: "login", Audience: []string{"orders"},
		AuthTime: now.Add(-time.Hour), IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(11 * time.Hour),
	}, key)
	if err != nil {
		panic(err)
	}
	r, err := tokens.OpenRefresh(raw, one{key}, now)
	fmt.Println(r.Subject, r.Generation, r.SessionEnd.Sub(now), err)
	// Output: ann 4 11h0m0s <nil>
}

func ExampleInspectUnverified() {
	in, err := tokens.InspectUnverified("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0aGUga2luZyJ9.")
	fmt.Printf("%s claims %s %v\n", in.Alg, in.Payload, err)
	// Output: none claims {"sub":"the king"} <nil>
}

func ExampleExplain() {
	now := time.Now()
	key, err := keys.Generate(keys.AccessToken, keys.EdDSA)
	if err != nil {
		panic(err)
	}
	expect := tokens.Expect{Issuer: "https://auth.example.com", Audiences: []string{"orders"}}
	for _, c := range tokens.Explain("eyJhbGciOiJub25lIn0.e30.AA", one{key}, expect, now)[:4] {
		fmt.Println(c.Name, c.OK, c.Skipped)
	}
	// Output:
	// length true false
	// form true false
	// header false false
	// type false true
}

func ExampleSecret() {
	s := tokens.Secret("hunter2")
	fmt.Printf("%v %q %#v %x\n", s, s, s, s)
	// Output: [redacted] [redacted] [redacted] [redacted]
}

// one is a key source that holds a single key.
type one struct{ key keys.Key }

func (o one) Key(kid string, p keys.Purpose, _ time.Time) (keys.Key, error) {
	if kid != o.key.ID || p != o.key.Purpose {
		return keys.Key{}, keys.ErrUnknownKey
	}
	return o.key, nil
}
