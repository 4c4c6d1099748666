package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestVerifyLiveSaysWhatVerifySaysOfATokenThatIsGood(t *testing.T) {
	f := setup(t)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		raw := must[string](t)(tokens.Sign(annsClaims(), k))
		for _, at := range []time.Duration{-61 * time.Second, -time.Minute, 0, 6*time.Minute - 1, 6 * time.Minute} {
			want, wantErr := tokens.Verify(raw, f.src, orders(), noon.Add(at))
			got, err := tokens.VerifyLive(raw, f.src, orders(), noon.Add(at))
			if reasonOf(err) != reasonOf(wantErr) || errors.Is(err, tokens.ErrExpired) != errors.Is(wantErr, tokens.ErrExpired) {
				t.Errorf("%s at %v: %v, and Verify %v", k.Alg, at, err, wantErr)
			}
			if err == nil && !reflect.DeepEqual(got, want) || err != nil && got != nil {
				t.Errorf("%s at %v: %+v, and Verify %+v", k.Alg, at, got, want)
			}
		}
		forged := raw[:len(raw)-8] + "AAAAAAAA"
		if _, err := tokens.VerifyLive(forged, f.src, orders(), noon); reasonOf(err) != tokens.BadSignature {
			t.Errorf("%s forged: %v", k.Alg, err)
		}
	}
	if _, err := tokens.VerifyLive("x", f.src, tokens.Expect{}, noon); !errors.Is(err, tokens.ErrExpect) {
		t.Errorf("without an Expect: %v", err)
	}
}

// What is hopeless is refused before the signature: there, a signature that is
// none does not show.
func TestVerifyLiveLooksAtTheSignatureLast(t *testing.T) {
	f := setup(t)
	for name, raw := range hopeless(t, f) {
		at := noon
		if name == "expired" {
			at = noon.Add(time.Hour)
		}
		_, err := tokens.VerifyLive(raw[:len(raw)-8]+"AAAAAAAA", f.src, orders(), at)
		if got := reasonOf(err); got == "" || got == tokens.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hopeless are tokens that are refused whatever their signature is.
func hopeless(t testing.TB, f *fixture) map[string]string {
	t.Helper()
	with := func(change func(*tokens.Claims), k keys.Key) string {
		c := annsClaims()
		change(c)
		return must[string](t)(tokens.Sign(c, k))
	}
	other := must[keys.Key](t)(keys.Generate(keys.AccessToken, keys.ES256))
	return map[string]string{
		"expired":          with(func(*tokens.Claims) {}, f.es), // an hour later
		"of another":       with(func(c *tokens.Claims) { c.Audience = []string{"stock"} }, f.es),
		"from elsewhere":   with(func(c *tokens.Claims) { c.Issuer = "https://other.example.com" }, f.es),
		"an unknown kid":   with(func(*tokens.Claims) {}, other),
		"garbage":          strings.Repeat("A", 40) + "." + strings.Repeat("A", 400) + "." + strings.Repeat("A", 86),
		"not base64url":    strings.Replace(with(func(*tokens.Claims) {}, f.es), "e", "=", 1),
		"claims, not JSON": craft(t, header(f.es), strings.Repeat("{", 300), f.es.Signer(), "ES256"),
	}
}

// The cold path against a bare check of the signature over a digest: beyond-raw
// is what is added to that, of-raw what a refusal costs beside it. Both are
// taken in turns, the fastest of many.
func BenchmarkCold(b *testing.B) {
	f := setup(b)
	var src keys.Source = f.src
	e := orders()
	for _, k := range []keys.Key{f.es, f.rs} {
		raw := must[string](b)(tokens.Sign(annsClaims(), k))
		bare := bareCheck(b, k, raw)
		b.Run(string(k.Alg), func(b *testing.B) {
			least := []time.Duration{time.Hour, time.Hour}
			for b.Loop() {
				for i, do := range []func(){bare, func() {
					if _, err := tokens.VerifyLive(raw, src, e, noon); err != nil {
						b.Fatal(err)
					}
				}} {
					least[i] = min(least[i], fastest(do))
				}
			}
			b.ReportMetric(float64((least[1] - least[0]).Nanoseconds()), "ns/beyond-raw")
		})
	}
	bare := bareCheck(b, f.es, "x.y")
	for name, raw := range hopeless(b, f) {
		at := noon
		if name == "expired" {
			at = noon.Add(time.Hour)
		}
		b.Run(name, func(b *testing.B) {
			raws, refusal := time.Hour, time.Hour
			for b.Loop() {
				raws = min(raws, fastest(bare))
				refusal = min(refusal, fastest(func() { _, _ = tokens.VerifyLive(raw, src, e, at) }))
			}
			b.ReportMetric(float64(refusal)/float64(raws), "of-raw")
		})
	}
}

// bareCheck checks a signature of the key over a digest, and does nothing else.
func bareCheck(tb testing.TB, k keys.Key, text string) func() {
	tb.Helper()
	digest := sha256.Sum256([]byte(text))
	switch s := k.Signer().(type) {
	case *ecdsa.PrivateKey:
		sig := must[[]byte](tb)(ecdsa.SignASN1(rand.Reader, s, digest[:]))
		return func() {
			if !ecdsa.VerifyASN1(&s.PublicKey, digest[:], sig) {
				tb.Fatal("refused")
			}
		}
	case *rsa.PrivateKey:
		sig := must[[]byte](tb)(rsa.SignPKCS1v15(nil, s, crypto.SHA256, digest[:]))
		return func() {
			if err := rsa.VerifyPKCS1v15(&s.PublicKey, crypto.SHA256, digest[:], sig); err != nil {
				tb.Fatal(err)
			}
		}
	}
	tb.Fatal("no bare check of that key")
	return nil
}

// BenchmarkColdCookie has what opening a cookie adds to the cold path of the
// token in it.
func BenchmarkColdCookie(b *testing.B) {
	f := setup(b)
	var src keys.Source = f.src
	raw := must[string](b)(tokens.SealSession(annsSession(must[string](b)(tokens.Sign(withRoles(50), f.es))), f.cookie))
	least := time.Hour
	b.ReportAllocs()
	for b.Loop() {
		least = min(least, fastest(func() {
			if _, err := tokens.OpenSession(raw, src, noon); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(float64(least.Nanoseconds()), "ns/beyond-token")
	b.ReportMetric(float64(len(raw)), "bytes")
}
