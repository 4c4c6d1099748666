package revocation_test

import (
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Ann logs out everywhere. Her token of before dies, the one of her next
// login does not.
func ExampleList() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := revocation.NewList()
	list.Apply(now, revocation.SubjectEntry("https://auth.example.com", "ann", now, now.Add(12*time.Hour)))

	token := &tokens.Claims{Issuer: "https://auth.example.com", Subject: "ann", AuthTime: now.Add(-time.Hour)}
	entry, dead := list.Match(token)
	fmt.Println(dead, entry.Type)

	token.AuthTime = now.Add(time.Second)
	_, dead = list.Match(token)
	fmt.Println(dead)
	// Output:
	// true subject
	// false
}

// A frame says what it follows, so that a follower notices a gap.
func ExampleFrame_Advance() {
	here, _ := revocation.ParsePosition("00000000000000ff.1700000000000-0")
	frame := revocation.Frame{
		Kind:      revocation.Delta,
		PrevEpoch: 255,
		Prev:      revocation.Cursor{Ms: 1700000000500}, // something was appended in between
		Pos:       revocation.Position{Epoch: 255, Cursor: revocation.Cursor{Ms: 1700000000900}},
	}
	here, ok := frame.Advance(here)
	fmt.Println(here, ok)
	// Output: 00000000000000ff.1700000000000-0 false
}

func ExampleTargets() {
	for _, target := range revocation.Targets(&tokens.Claims{Subject: "ann", ClientID: "login", KeyID: "k"}) {
		fmt.Println(target.Type)
	}
	// Output:
	// key
	// all
	// subject
	// client
	// claims
}
