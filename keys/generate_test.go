package keys_test

import (
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

// An operator types `sealring keys revoke KID` at night: no kid may look like
// a flag. One in 64 would.
func TestNoGeneratedKeyIsNamedLikeAFlag(t *testing.T) {
	for _, p := range []keys.Purpose{keys.Feed, keys.SessionCookie} {
		alg := map[keys.Purpose]keys.Alg{keys.Feed: keys.EdDSA, keys.SessionCookie: keys.A256GCM}[p]
		for range 500 {
			k, err := keys.Generate(p, alg)
			if err != nil {
				t.Fatal(err)
			}
			if k.ID[0] == '-' {
				t.Fatalf("a %s key is named %s", p, k.ID)
			}
		}
	}
}
