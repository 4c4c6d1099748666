package tokens_test

import (
	"fmt"
	"testing"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func BenchmarkSign(b *testing.B) {
	f := setup(b)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		b.Run(string(k.Alg), func(b *testing.B) {
			c := annsClaims()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Sign(c, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	f := setup(b)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		raw := must[string](b)(tokens.Sign(annsClaims(), k))
		b.Run(string(k.Alg), func(b *testing.B) {
			e := orders()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Verify(raw, f.src, e, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	f := setup(b)
	s, r := annsSession(must[string](b)(tokens.Sign(annsClaims(), f.es))), annsRefresh()
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokens.SealSession(s, f.cookie); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokens.SealRefresh(r, f.refresh); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	f := setup(b)
	a := artefacts(b, f)
	for kind, door := range map[string]string{"session": "OpenSession", "refresh": "OpenRefresh", "feed": "VerifyBytes feed"} {
		b.Run(kind, func(b *testing.B) {
			enter := doors()[door]
			b.ReportAllocs()
			for b.Loop() {
				if err := enter(a[kind], f.src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHostileHeader(b *testing.B) {
	f, e := setup(b), orders()
	var src keys.Source = f.src // made once: neither it nor e is a cost of the header
	for name, raw := range hostile(f) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Verify(raw, src, e, noon); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkOpenSession by the size of the session: what packing and squeezing
// cost beside the token's own verification.
func BenchmarkOpenSession(b *testing.B) {
	f := setup(b)
	for _, roles := range []int{1, 20, 110} {
		token := must[string](b)(tokens.Sign(withRoles(roles), f.es))
		raw := must[string](b)(tokens.SealSession(annsSession(token), f.cookie))
		b.Run(fmt.Sprint(roles, " roles"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.OpenSession(raw, f.src, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
