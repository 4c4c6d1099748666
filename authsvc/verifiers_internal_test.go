package authsvc

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func name(client string) verifierName { return verifierName{client, tokens.NewID()} }

func TestAVerifierThatHasGoneLivesForItsLease(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	v := newVerifiers(10, start)
	f := v.join(name("a"), "peer", nil, start)
	if !f.live(start.Add(time.Hour)) {
		t.Error("one that is connected does not live")
	}
	left := start.Add(2 * time.Hour)
	v.leave(f, left)
	if !f.live(left.Add(verifierLease-1)) || f.live(left.Add(verifierLease)) {
		t.Error("its lease is not what it should be")
	}
}

func TestTwoStreamsOfAVerifierAreOneVerifier(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	v := newVerifiers(10, now)
	n := name("a")
	first := v.join(n, "old", nil, now)
	second := v.join(n, "new", nil, now.Add(time.Second))
	if first != second || first.remote != "new" || first.since != now {
		t.Fatalf("%+v and %+v", first, second)
	}
	v.leave(first, now)
	if first.streams != 1 || v.gone.Len() != 0 {
		t.Error("the second stream does not count")
	}
	v.leave(second, now)
	if v.gone.Len() != 1 {
		t.Error("it has not gone")
	}
	v.join(n, "again", nil, now)
	if v.gone.Len() != 0 || len(v.all) != 1 {
		t.Error("it has not come back")
	}
}

func TestWhoHasGoneIsForgottenOldestFirst(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	v := newVerifiers(3, now)
	stays := v.join(name("a"), "", nil, now)
	var names []verifierName
	for i := range 5 {
		names = append(names, name("a"))
		v.report(names[i], "", 1, revocation.Position{}, now)
	}
	if len(v.all) != 4 || v.gone.Len() != 3 || v.all[stays.name] != stays || v.all[names[1]] != nil || v.all[names[2]] == nil {
		t.Errorf("%d are known, %d have gone", len(v.all), v.gone.Len())
	}
	v.report(names[2], "", 1, revocation.Position{}, now.Add(time.Second)) // moves it to the end
	v.report(name("a"), "", 1, revocation.Position{}, now.Add(time.Second))
	if v.all[names[2]] == nil || v.all[names[3]] != nil {
		t.Error("not the oldest was forgotten")
	}
	v.report(name("a"), "", 1, revocation.Position{}, now.Add(verifierKept+time.Second))
	if v.gone.Len() != 1 {
		t.Errorf("%d are kept beyond their time", v.gone.Len())
	}
}

func TestTheSameIDOfTwoClientsIsTwoVerifiers(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	v := newVerifiers(10, now)
	id := tokens.NewID()
	v.report(verifierName{"a", id}, "", 1, revocation.Position{}, now)
	v.report(verifierName{"b", id}, "", 9, revocation.Position{}, now)
	if v.all[verifierName{"a", id}].generation != 1 {
		t.Error("one client spoke for the other")
	}
}
