package middleware

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// cold is a guard that remembers nothing, so that each token is one that it has
// never seen.
type cold struct {
	trust *localTrust
	guard *Guard
	key   keys.Key // that signs
	raw   string   // a good token
}

func newCold(tb testing.TB, alg keys.Alg, revocations int) *cold {
	tb.Helper()
	l := newLocalTrust(tb)
	ring, err := keys.NewRing(keys.DefaultPlan(), alg, time.Now().Add(-time.Minute))
	if err != nil {
		tb.Fatal(err)
	}
	l.ring, l.list = ring, manyEntries(revocations)
	k, err := ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	held := keys.MergeSets(ring.PublicSet(time.Now()), ring.SessionKeys(time.Now()))
	c := &cold{trust: l, guard: localGuard(tb, setTrust{l, held}, nil), key: k, raw: l.token(tb)}
	c.guard.seen = newCache(0)
	return c
}

// serves judges a request that must be let in.
func (c *cold) serves(tb testing.TB, r *http.Request) func(int) {
	return func(int) {
		if _, _, err := c.guard.decide(r, time.Now()); err != nil {
			tb.Fatal(err)
		}
	}
}

// refuses judges one that must not.
func (c *cold) refuses(tb testing.TB, raw string) func(int) {
	r := bearerRequest(raw)
	return func(int) {
		if _, _, err := c.guard.decide(r, time.Now()); err == nil {
			tb.Fatal("let in")
		}
	}
}

// hopeless are tokens that no signature could help.
func (c *cold) hopeless(tb testing.TB) map[string]string {
	tb.Helper()
	return map[string]string{
		"garbage":        strings.Repeat("x", len(c.raw)),
		"expired":        c.trust.expired(tb),
		"an unknown kid": newLocalTrust(tb).token(tb),
	}
}

// coldTurn is how often in each turn: few, so that one without an interruption
// is among many.
const coldTurn = 5

// What a request costs whose token was not seen before, beside its bare signature
// check: over-raw-ns is what the guard adds to that, of-raw its time over it;
// golang-jwt-over-raw-ns what golang-jwt adds. Refused are garbage, an expired
// token and one of an unknown key: the dearest of them counts.
func BenchmarkCold(b *testing.B) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		b.Run(string(alg), func(b *testing.B) { benchmarkCold(b, newCold(b, alg, 1_000_000)) })
	}
}

func benchmarkCold(b *testing.B, c *cold) {
	do := []func(int){bareCheck(b, c.key.Public(), c.raw), c.serves(b, bearerRequest(c.raw)), byGolangJWT(b, c.key, c.raw)}
	for _, raw := range c.hopeless(b) {
		do = append(do, c.refuses(b, raw))
	}
	for range 200 { // from then on a key's multiples are at hand
		do[1](0)
	}
	t := make(turns, len(do))
	for b.Loop() {
		t.take(coldTurn, do...)
	}
	b.ReportMetric(t[0], "raw-ns")
	b.ReportMetric(t[1]-t[0], "over-raw-ns")
	b.ReportMetric(t[1]/t[0], "of-raw")
	b.ReportMetric(t[2]-t[0], "golang-jwt-over-raw-ns")
	b.ReportMetric(max(t[3], t[4], t[5])/t[0], "refused-of-raw")
}

// A cookie that was not seen before beside the token in it: over-token-ns is what
// opening it adds.
func BenchmarkColdCookie(b *testing.B) {
	c := newCold(b, keys.ES256, 1_000_000)
	for _, roles := range []int{0, 25} {
		claims, data := c.trust.claims(), 450
		for i := range roles {
			claims.Roles = append(claims.Roles, fmt.Sprintf("tenant-%d:editor", i*37))
			data = 300
		}
		raw := c.trust.tokenOf(b, claims, nil)
		cookie := c.cookie(b, raw, data)
		b.Run(fmt.Sprint(roles, " roles"), func(b *testing.B) {
			t := make(turns, 2)
			for b.Loop() {
				t.take(coldTurn, c.serves(b, bearerRequest(raw)), c.serves(b, cookieRequest(cookie)))
			}
			b.ReportMetric(t[1]-t[0], "over-token-ns")
			b.ReportMetric(float64(len(cookie)), "bytes")
		})
	}
}

// cookie is the token's session cookie with so many bytes of data.
func (c *cold) cookie(tb testing.TB, raw string, data int) string {
	tb.Helper()
	k, err := c.trust.ring.Current(keys.SessionCookie, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	sealed, err := tokens.SealSession(&tokens.Session{Token: raw, Data: fmt.Appendf(nil, `{"cart":"%0*d"}`, data, 3), SessionEnd: end, IdleEnd: end}, k)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

// byGolangJWT is what a service does that uses golang-jwt by hand.
func byGolangJWT(tb testing.TB, k keys.Key, raw string) func(int) {
	p := jwt.NewParser(jwt.WithValidMethods([]string{string(k.Alg)}), jwt.WithIssuer(testIssuer), jwt.WithAudience("orders"), jwt.WithExpirationRequired())
	return func(int) {
		if _, err := p.ParseWithClaims(raw, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return k.Public(), nil }); err != nil {
			tb.Fatal(err)
		}
	}
}

// bareCheck is the check of a token's signature with the standard library.
func bareCheck(tb testing.TB, public crypto.PublicKey, token string) func(int) {
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil {
		tb.Fatal(err)
	}
	var good func() bool
	signed := []byte(token[:i])
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		good = func() bool {
			digest := sha256.Sum256(signed)
			return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
		}
	case ed25519.PublicKey:
		good = func() bool { return ed25519.Verify(key, signed, sig) }
	case *rsa.PublicKey:
		good = func() bool {
			digest := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) == nil
		}
	}
	return func(int) {
		if !good() {
			tb.Fatal("the bare check refuses")
		}
	}
}
