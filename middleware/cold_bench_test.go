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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// What a request costs whose token was not seen before, beside its bare signature
// check, in turns: over-raw-ns is the median of the differences, of-raw of the
// ratios. cookie-over-token-ns is what a cookie of 1 KB (of RS256 1.4 KB) costs more. Refused are garbage, an expired token and one of an unknown key.
func BenchmarkCold(b *testing.B) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		b.Run(string(alg), func(b *testing.B) { benchmarkCold(b, alg) })
	}
}

func benchmarkCold(b *testing.B, alg keys.Alg) {
	l := newLocalTrust(b)
	ring, err := keys.NewRing(keys.DefaultPlan(), alg, time.Now().Add(-time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	l.ring, l.list = ring, manyEntries(1_000_000)
	k, err := ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	g := localGuard(b, l, nil)
	g.seen = newCache(0) // nothing has been seen
	raw := l.token(b)
	check := bareCheck(k.Public(), raw)
	r := bearerRequest(raw)
	expired, other := l.claims(), newLocalTrust(b)
	expired.IssuedAt, expired.AuthTime, expired.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour), time.Now().Add(-time.Minute*55)
	other.ring, err = keys.NewRing(keys.DefaultPlan(), alg, time.Now().Add(-time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	refused := []string{strings.Repeat("x", len(raw)), l.tokenOf(b, expired, nil), other.token(b)}
	sealed := cookieRequest(l.cookieWith(b, raw, fmt.Appendf(nil, `{"cart":"%0400d"}`, 1)))
	if n := len(sealed.Header.Get("Cookie")); n < 900 || n > 1500 {
		b.Fatalf("a cookie of %d bytes", n)
	}
	var over, of, no, more []float64
	for b.Loop() {
		bare := timed(20, check)
		ours := timed(20, func() {
			if _, _, err := g.decide(r, time.Now()); err != nil {
				b.Fatal(err)
			}
		})
		over, of = append(over, ours-bare), append(of, ours/bare)
		more = append(more, timed(20, func() {
			if _, _, err := g.decide(sealed, time.Now()); err != nil {
				b.Fatal(err)
			}
		})-ours)
		for _, bad := range refused {
			q := bearerRequest(bad)
			no = append(no, timed(20, func() { _, _, _ = g.decide(q, time.Now()) })/bare)
		}
	}
	b.ReportMetric(median(over), "over-raw-ns")
	b.ReportMetric(median(of), "of-raw")
	b.ReportMetric(median(no), "refused-of-raw")
	b.ReportMetric(median(more), "cookie-over-token-ns")
}

func timed(n int, f func()) float64 {
	start := time.Now()
	for range n {
		f()
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// bareCheck is the check of a token's signature with the standard library.
func bareCheck(public crypto.PublicKey, token string) func() {
	i := strings.LastIndexByte(token, '.')
	sig, _ := base64.RawURLEncoding.DecodeString(token[i+1:])
	signed := []byte(token[:i])
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return func() {
			digest := sha256.Sum256(signed)
			ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
		}
	case ed25519.PublicKey:
		return func() { ed25519.Verify(key, signed, sig) }
	case *rsa.PublicKey:
		return func() {
			digest := sha256.Sum256(signed)
			_ = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig)
		}
	}
	return nil
}
