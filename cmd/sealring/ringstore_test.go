package main

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// two opens one new ring twice: by a service and by a command.
func two(t *testing.T) (service, command *ringfile.File) {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now())
	must(t, err)
	path, master := filepath.Join(t.TempDir(), ringFile), ringfile.NewMasterKey()
	must(t, ringfile.Create(path, master, ring))
	service, err = ringfile.Open(path, master)
	must(t, err)
	command, err = ringfile.Open(path, master)
	must(t, err)
	return service, command
}

func rotateFeed(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(keys.Feed, keys.Plan{}, time.Now())
}

func countOne(r *keys.Ring) (*keys.Ring, error) {
	k, err := r.Current(keys.SessionCookie, time.Now())
	if err != nil {
		return nil, err
	}
	next, _, err := r.Reserve(k.ID, 1, keys.MaxSeals)
	return next, err
}

func TestACommandIsNotInTheWayOfAServiceThatCounts(t *testing.T) {
	service, command := two(t)
	_, err := service.Update(t.Context(), countOne)
	must(t, err)
	ring, err := updateRing(t.Context(), command, rotateFeed)
	must(t, err)
	if k, _ := ring.Current(keys.SessionCookie, time.Now()); k.Seals != 1 {
		t.Errorf("the count is %d", k.Seals)
	}
	ring, err = changeRing(service)(t.Context(), countOne)
	must(t, err)
	if k, _ := ring.Current(keys.SessionCookie, time.Now()); k.Seals != 2 || ring.Generation() != 4 {
		t.Errorf("the count is %d in generation %d", k.Seals, ring.Generation())
	}
}

func TestWhoeverDecidedOnAnotherRingIsToldSo(t *testing.T) {
	other, command := two(t)
	_, err := other.Update(t.Context(), rotateFeed)
	must(t, err)
	if _, err := updateRing(t.Context(), command, rotateFeed); !errors.Is(err, ringfile.ErrConflict) {
		t.Errorf("rotated twice: %v", err)
	}
}
