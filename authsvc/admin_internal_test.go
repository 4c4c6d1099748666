package authsvc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestTheLatestAreThoseThatASortOfAllPutsFirst(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 9, 10, 11, 19, 20, 21, 500, 5000} {
		for _, limit := range []int{1, 10, 100} {
			t.Run(fmt.Sprintf("%d of %d", limit, n), func(t *testing.T) {
				all := make([]revocation.Entry, n)
				for i := range all {
					all[i] = revocation.Entry{Type: revocation.Session, ID: tokens.NewID(), Made: dice.Uint32N(50), T: dice.Uint32N(3)}
				}
				want := slices.SortedFunc(slices.Values(all), newerFirst)[:min(limit, n)]
				if got := latest(all, limit); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}
