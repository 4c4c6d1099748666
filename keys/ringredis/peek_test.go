package ringredis_test

import (
	"errors"
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

func TestTheGenerationIsToldWithoutAMasterKey(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(t)
	want := func(name string, generation uint64, fault error) {
		t.Helper()
		if got, err := ringredis.Peek(t.Context(), client, "test"); got != generation || !errors.Is(err, fault) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	want("no ring", 0, nil)
	cfg := config(client)
	create(t, cfg, newRing(t))
	want("a first ring", 1, nil)
	update(t, open(t, cfg), rotate)
	want("a second", 2, nil)
	server.Do("SET", key, "something else")
	want("something else", 0, ringfile.ErrDamaged)
	server.Do("SET", key, "0:x")
	want("generation 0, which no ring has", 0, ringfile.ErrDamaged)
	server.Kill9()
	want("no Redis", 0, ringredis.ErrUnavailable)
	if _, err := ringredis.Peek(t.Context(), nil, "test"); !errors.Is(err, ringredis.ErrConfig) {
		t.Errorf("no client: %v", err)
	}
}
