package ringredis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// burning revokes the key of a purpose that signs or seals.
func burning(p keys.Purpose) func(*keys.Ring) (*keys.Ring, error) {
	return func(r *keys.Ring) (*keys.Ring, error) {
		k, err := r.Current(p, time.Now())
		if err != nil {
			return nil, err
		}
		return r.Revoke(k.ID, "stolen", time.Now())
	}
}

// inUse are the keys that sign and seal, by purpose.
func inUse(t *testing.T, r *keys.Ring) map[keys.Purpose]string {
	t.Helper()
	kids := map[keys.Purpose]string{}
	for _, p := range keys.Purposes() {
		k, err := r.Current(p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		kids[p] = k.ID
	}
	return kids
}

// dead expects that a key is revoked: in Redis and for every replica.
func dead(t *testing.T, r room, kid string, all ...*ringredis.Shared) {
	t.Helper()
	for _, s := range append(all, open(t, r.other(t))) {
		if state, held := s.Ring().State(kid, time.Now()); state != keys.Revoked {
			t.Errorf("the burnt key is %q (%v) in %v", state, held, s.Ring())
		}
		for _, k := range s.Ring().Keys() {
			if k.ID == kid && (k.Signer() != nil || k.Secret() != nil || k.Reason != "stolen") {
				t.Errorf("it has its private half again, or another reason: %q", k.Reason)
			}
		}
	}
}

// Whoever restores a backup and goes on from there takes a revocation back
// without knowing. No replica that has heard of it lets that happen.
func TestABurntKeyStaysDeadInALaterRingOfAnotherLine(t *testing.T) {
	for _, p := range keys.Purposes() {
		t.Run(string(p), func(t *testing.T) {
			r := furnish(t)
			kid := inUse(t, open(t, r.cfg).Ring())[p]
			a, b := fork(t, r, burning(p), change)
			theirs := update(t, b, change) // generation 3, in which the key lives
			wb := watch(t, b)
			wa := watch(t, a)
			wa.fault(t, ringredis.ErrForked, "generation 3 was not made of our 2", "the revocation of key "+kid, "revoked again in generation 4: key "+kid)
			wb.ring(t, 4) // an ordinary change, to those who never knew
			dead(t, r, kid, a, b)
			for purpose, other := range inUse(t, theirs) {
				if state, _ := a.Ring().State(other, time.Now()); purpose != p && state != keys.Signing {
					t.Errorf("the %s key of the ring that won is %q", purpose, state)
				}
			}
			wa.calm(t, a)
			wb.calm(t, b)
			if g := a.Ring().Generation(); g != 4 {
				t.Errorf("generation %d", g)
			}
		})
	}
}

// Neither gives way: what each has burnt is dead in the end.
func TestTwoRevocationsOfOneGenerationBothStay(t *testing.T) {
	for range 3 { // which ring wins is chance
		r := furnish(t)
		kids := inUse(t, open(t, r.cfg).Ring())
		a, b := fork(t, r, burning(keys.AccessToken), burning(keys.SessionCookie))
		wa, wb := watch(t, a), watch(t, b)
		for _, s := range []*ringredis.Shared{a, b} {
			eventually(t, "generation 3", func() bool { return s.Ring().Generation() == 3 })
		}
		dead(t, r, kids[keys.AccessToken], a, b)
		dead(t, r, kids[keys.SessionCookie], a, b)
		wa.stop()
		wb.stop()
	}
}

// A Redis that was restored is older, and gives way; what was burnt in it
// since does not.
func TestARevocationInAnOlderRingIsNotWrittenOver(t *testing.T) {
	r := furnish(t)
	first := r.value(t)
	kid := inUse(t, open(t, r.cfg).Ring())[keys.RefreshToken]
	a := open(t, r.cfg)
	update(t, a, change)
	want := update(t, a, rotate) // generation 3
	r.server.Do("SET", key, first)
	update(t, open(t, r.other(t)), burning(keys.RefreshToken)) // generation 2, by whoever did not know
	w := watch(t, a)
	w.fault(t, ringfile.ErrRollback, "revoked again in generation 4: key "+kid)
	dead(t, r, kid, a)
	if got, want := inUse(t, a.Ring())[keys.AccessToken], inUse(t, want)[keys.AccessToken]; got != want {
		t.Errorf("of the newer ring the key %s is gone: %s signs", want, got)
	}
	w.calm(t, a)
}

// As long as it is not mended the old copy is used, in which the key is dead.
func TestABurntKeyIsNotTrustedWhileThatCanNotBeWritten(t *testing.T) {
	r := furnish(t)
	kid := inUse(t, open(t, r.cfg).Ring())[keys.AccessToken]
	m := new(meddler)
	client := r.server.Client(t)
	client.AddHook(m)
	b := open(t, r.other(t))
	cfg := r.cfg
	cfg.Client = client
	a := open(t, cfg)
	first := r.value(t)
	update(t, a, burning(keys.AccessToken))
	r.server.Do("SET", key, first)
	update(t, b, change)
	update(t, b, change)
	theirs := r.value(t)
	m.before = func() error { r.server.Kill9(); return nil }
	if _, err := a.Update(t.Context(), change); !errors.Is(err, ringredis.ErrForked) || !errors.Is(err, ringredis.ErrUnknown) {
		t.Errorf("Update: %v", err)
	}
	if state, _ := a.Ring().State(kid, time.Now()); state != keys.Revoked {
		t.Errorf("meanwhile the key is %q", state)
	}
	r.server.Restart()
	r.server.Do("SET", key, theirs)
	if _, err := a.Update(t.Context(), change); !errors.Is(err, ringredis.ErrForked) || errors.Is(err, ringredis.ErrUnknown) {
		t.Errorf("Update: %v", err)
	}
	dead(t, r, kid, a)
}

// All replicas that know of it set about it at once; one does it.
func TestARevocationIsTakenOverOnce(t *testing.T) {
	r := furnish(t)
	kid := inUse(t, open(t, r.cfg).Ring())[keys.AccessToken]
	a, b := fork(t, r, burning(keys.AccessToken), change)
	var knowing []*ringredis.Shared
	r.server.Do("SET", "elsewhere", r.value(t))
	again := seal(t, r, a.Ring())
	r.server.Do("SET", key, again)
	for range 4 {
		knowing = append(knowing, open(t, r.other(t)))
	}
	r.server.Do("SET", key, r.server.Do("GET", "elsewhere"))
	update(t, b, change)
	var watchers []*watcher
	for _, s := range knowing {
		watchers = append(watchers, watch(t, s))
	}
	for i, s := range knowing {
		eventually(t, "generation 4", func() bool { return s.Ring().Generation() == 4 })
		watchers[i].stop()
	}
	dead(t, r, kid, knowing...)
}

func seal(t *testing.T, r room, ring *keys.Ring) string {
	t.Helper()
	sealed, err := ringfile.SealFor("test", ring, r.cfg.Master)
	if err != nil {
		t.Fatal(err)
	}
	return "2:" + string(sealed)
}
