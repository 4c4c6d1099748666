package keys_test

import (
	"fmt"
	"log"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// A ring is made once, rotated now and then, and what it publishes follows.
func Example() {
	now := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now)
	if err != nil {
		log.Fatal(err)
	}
	first, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		log.Fatal(err)
	}

	ring, err = ring.Rotate(keys.AccessToken, keys.Plan{}, now)
	if err != nil {
		log.Fatal(err)
	}
	second, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		log.Fatal(err)
	}
	state, _ := ring.State(first.ID, now)
	fmt.Println("another key signs:", second.ID != first.ID)
	fmt.Println("the first one is", state)

	// A verifier knows nothing but the key set.
	set, err := keys.ParseSet(ring.PublicSet(now).JWKS())
	if err != nil {
		log.Fatal(err)
	}
	_, err = set.Key(first.ID, keys.AccessToken, now)
	fmt.Println("verifiers still have it:", err == nil)
	// Output:
	// another key signs: true
	// the first one is verify-only
	// verifiers still have it: true
}

// A second rotation right after the first must wait until everybody holds the
// new standby. Earliest says how long.
func ExampleRing_Earliest() {
	now := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, now)
	if err != nil {
		log.Fatal(err)
	}
	ring, err = ring.Rotate(keys.AccessToken, keys.Plan{}, now)
	if err != nil {
		log.Fatal(err)
	}
	at, err := ring.Earliest(keys.AccessToken, keys.Plan{}, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(at.Sub(now))
	// Output: 24h6m0s
}

// A burnt key dies at once; the standby is already known to every verifier.
func ExampleRing_Revoke() {
	now := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, now)
	if err != nil {
		log.Fatal(err)
	}
	burnt, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		log.Fatal(err)
	}
	ring, err = ring.Revoke(burnt.ID, "found in a public repository", now)
	if err != nil {
		log.Fatal(err)
	}
	_, err = ring.Key(burnt.ID, keys.AccessToken, now)
	fmt.Println(err)
	_, err = ring.Current(keys.AccessToken, now)
	fmt.Println(err)
	// Output:
	// revoked key
	// <nil>
}
