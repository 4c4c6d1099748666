package tokens_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// TestFrameMutantsMeetTheOracle is TestMutantsMeetTheOracle for what the feed
// carries, frames and key sets. Their payload is any bytes, so all that can be
// wrong is the header, the form and who signs.
func TestFrameMutantsMeetTheOracle(t *testing.T) {
	f := setup(t)
	n := 4_000
	if full {
		n = 200_000
	}
	var accepted atomic.Int64
	eachPosition(64, func(lot int) {
		rng := rand.New(rand.NewPCG(8, uint64(lot)))
		for range n / 64 {
			typ := pick(rng, tokens.TypFeed, tokens.TypKeys)
			m := newFrameMutant(rng, f, typ)
			raw := m.build(t, f, f.feed)
			want := goodFrame(m, typ, f)
			got, err := tokens.VerifyBytes(typ, raw, f.src, noon)
			if verdictOf(err) == "fault" || (err == nil) != want || want && string(got) != m.payload {
				t.Errorf("%v, the oracle says %v:\n%s %q\nsigned: %s", err, want, m.document(m.header), m.payload, m.hand)
			}
			if err == nil {
				accepted.Add(1)
			}
		}
	})
	t.Logf("%d mutants: %d accepted", n/64*64, accepted.Load())
	if accepted.Load() < int64(n/20) {
		t.Error("too few mutants are good to tell anything")
	}
}

func newFrameMutant(rng *rand.Rand, f *fixture, typ string) *mutant {
	m := &mutant{hand: hands[rng.IntN(len(hands))]}
	if m.hand == "high s" {
		m.hand = "right" // there is no such thing
	}
	_, kid := f.stranger(m.hand, f.feed)
	m.header = []member{plain("alg", str("EdDSA")), plain("kid", str(kid)), plain("typ", str(typ))}
	m.payload = pick(rng, "\x00", "\x01frame\x00\xff", `{"generation":1,"generation":2}`, "\xff\xfe", string(make([]byte, 3000)))
	if rng.IntN(8) == 0 {
		m.frame = pick(rng, "spaced", "spaced", "bom", "trailing", "twice", "array", "comma")
	}
	if rng.IntN(2) == 0 {
		m.header = mutate(rng, m.header, frameHeaderValue)
	}
	return m
}

// frameHeaderValue also draws the typ of other kinds, and our own in other
// spellings.
func frameHeaderValue(rng *rand.Rand, name string) value {
	if name == "typ" {
		return pick(rng, str(tokens.TypFeed), str(tokens.TypKeys), str(tokens.TypAccess), str(tokens.TypRefresh),
			str("SEALRING-FEED+JWS"), str("application/sealring-feed+jws"), spelt(`"sealring-feed\u002bjws"`, tokens.TypFeed),
			spelt(`"sealring-keys\u002bjws"`, tokens.TypKeys), other("null"), list(tokens.TypFeed))
	}
	return headerValue(rng, name)
}

// goodFrame is the oracle.
func goodFrame(m *mutant, typ string, f *fixture) bool {
	return (m.frame == "" || m.frame == "spaced") && m.hand == "right" &&
		exactly(m.header, map[string]string{"alg": string(keys.EdDSA), "kid": f.feed.ID, "typ": typ})
}
