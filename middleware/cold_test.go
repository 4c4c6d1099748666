package middleware

import (
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

// The first time that a token is seen takes some 15 pieces of memory beside the
// check of its signature, most of which stay in the cache; its cookie some 30 more.
// What is refused before its signature takes fewer.
func TestATokenNotSeenBeforeTakesFewPiecesOfMemory(t *testing.T) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		c := newCold(t, alg, 1000)
		bare, serve, hopeless := bareCheck(t, c.key.Public(), c.raw), c.serves(t, bearerRequest(c.raw)), c.hopeless(t)
		for range 200 { // from then on an EdDSA key's multiples are at hand
			serve(0)
		}
		signature := testing.AllocsPerRun(100, func() { bare(0) })
		for name, limited := range map[string]struct {
			do   func(int)
			most float64
		}{
			"a token":        {serve, signature + 15},
			"its cookie":     {c.serves(t, cookieRequest(c.cookie(t, c.raw, 400))), signature + 45},
			"garbage":        {c.refuses(t, hopeless["garbage"]), 2},
			"expired":        {c.refuses(t, hopeless["expired"]), 10},
			"an unknown kid": {c.refuses(t, hopeless["an unknown kid"]), 5},
		} {
			if n := testing.AllocsPerRun(100, func() { limited.do(0) }); n > limited.most {
				t.Errorf("%s, %s: %v allocations, at most %v", alg, name, n, limited.most)
			}
		}
	}
}
