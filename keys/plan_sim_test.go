package keys_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
)

// The simulated world: one ring on a disk, administrators who change it,
// replicas that read it when they like within the lease, verifiers that fetch
// the key set when they like within its age, and everybody's clock off by up
// to the skew. Nobody does anything earlier than the protocol allows, nor
// later than it demands; in between chance decides.
//
// The plan counts in ticks, the world moves in half ones: "younger than the
// lease" is then a moment that exists, and a plan that is one tick too short
// misses it.

// rules is what the world really is. Durations are in ticks, chances are one
// in so many steps (zero: never).
type rules struct {
	lease, age, skew, leeway, life int
	replicas, verifiers            int
	steps                          int
	rotateEvery, revokeEvery       int
	restartEvery                   int
	extreme                        bool // clocks are right or off by the whole skew
}

// plan is the honest plan for these rules.
func (w rules) plan() keys.Plan {
	life := sec(w.life)
	return keys.Plan{Lease: sec(w.lease), JWKSMaxAge: sec(w.age), Skew: sec(w.skew), Leeway: sec(w.leeway),
		Life: map[keys.Purpose]time.Duration{keys.AccessToken: life, keys.Feed: life, keys.SessionCookie: life, keys.RefreshToken: life}}
}

const (
	tick = time.Second
	step = tick / 2
)

func sec(n int) time.Duration { return time.Duration(n) * tick }

// chance is rapid or a plain generator: the latter for the searches that must
// find something.
type chance func(n int) int

func (c chance) oneIn(n int) bool { return n > 0 && c(n) == 0 }

type replica struct {
	offset  int // in steps, like all true times
	ring    *keys.Ring
	readAt  int // true time: the lease is kept on a monotonic clock
	highest uint64
}

type verifier struct {
	offset    int
	set       *keys.Set
	fetchedAt int
}

type world struct {
	rules
	purpose   keys.Purpose
	chance    chance
	now       int // true time, in steps
	disk      *keys.Ring
	replicas  []*replica
	verifiers []*verifier
	lastExp   map[string]int  // kid → the latest exp of what it signed
	dead      map[string]int  // kid → true time of revocation
	hurried   map[string]bool // kids that took over from a dead one before they were ready
}

// at is what a clock that is off by offset shows.
func (w *world) at(offset int) time.Time { return dawn.Add(time.Duration(w.now+offset) * step) }

func newWorld(r rules, p keys.Purpose, plan keys.Plan, c chance) (*world, error) {
	ring, err := keys.NewRing(plan, keys.EdDSA, dawn)
	if err != nil {
		return nil, err
	}
	w := &world{rules: r, purpose: p, chance: c, disk: ring, lastExp: map[string]int{}, dead: map[string]int{}, hurried: map[string]bool{}}
	for range r.replicas {
		w.replicas = append(w.replicas, &replica{offset: w.clock(), ring: ring})
	}
	for range r.verifiers {
		w.verifiers = append(w.verifiers, &verifier{offset: w.clock(), set: ring.PublicSet(dawn)})
	}
	return w, nil
}

// clock is by how much somebody's clock is off.
func (w *world) clock() int {
	if w.extreme {
		return w.chance(2) * 2 * w.skew
	}
	return w.chance(2*w.skew + 1)
}

// run returns the first breach of I1 to I6.
func (w *world) run() error {
	for w.now = 1; w.now <= w.steps; w.now++ {
		for _, act := range []func() error{w.read, w.administer, w.fetch, w.sign, w.verify} {
			if err := act(); err != nil {
				return fmt.Errorf("step %d: %w", w.now, err)
			}
		}
	}
	return nil
}

// administer lets somebody change the ring, on a machine with a clock of its
// own.
func (w *world) administer() error {
	now := w.at(w.clock())
	var next *keys.Ring
	var err error
	switch {
	case w.chance.oneIn(w.rotateEvery):
		next, err = w.disk.Rotate(w.purpose, keys.Plan{}, now)
		if errors.Is(err, keys.ErrRotationPending) {
			return nil
		}
	case w.chance.oneIn(w.revokeEvery):
		var kid string
		kid, next, err = w.revoke(now)
		w.dead[kid] = w.now
	case w.chance.oneIn(2 * max(w.rotateEvery, 1)):
		next = w.disk.Prune(now)
	}
	if err != nil || next == nil || next == w.disk {
		return err
	}
	if next.Generation() <= w.disk.Generation() {
		return fmt.Errorf("I4: generation %d after %d", next.Generation(), w.disk.Generation())
	}
	if next, err = reread(next); err != nil {
		return err
	}
	w.disk = next
	for _, k := range next.Keys() {
		if k.ReadyAt.After(dawn) { // the first generation is ready before
			w.hurried[k.ID] = true
		}
	}
	return w.checkErased(now)
}

func (w *world) revoke(now time.Time) (string, *keys.Ring, error) {
	var alive []keys.Key
	for _, k := range w.disk.Keys() {
		if s, _ := w.disk.State(k.ID, now); k.Purpose == w.purpose && s != keys.Revoked && s != keys.Retired {
			alive = append(alive, k)
		}
	}
	kid := alive[w.chance(len(alive))].ID
	next, err := w.disk.Revoke(kid, "found in a log", now)
	return kid, next, err
}

// reread takes the ring through its file form: that is how it travels.
func reread(r *keys.Ring) (*keys.Ring, error) {
	data, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	again, err := keys.ParseRing(data)
	if err != nil {
		return nil, fmt.Errorf("I6: a ring that an operation made is refused: %w", err)
	}
	return again, nil
}

// checkErased is I5, for the keys that have a private half apart.
func (w *world) checkErased(now time.Time) error {
	for _, k := range w.disk.Keys() {
		if k.Signer() != nil && !k.SignUntil.IsZero() && now.After(k.SignUntil) {
			return fmt.Errorf("I5: %v ended at %v and still holds its private half", k, k.SignUntil)
		}
	}
	return nil
}

// read: a replica reads the ring when it likes, and at the latest when its
// lease is over (K3). A restart is a read with nothing remembered.
func (w *world) read() error {
	for _, r := range w.replicas {
		if w.chance.oneIn(w.restartEvery) {
			r.highest = 0
		} else if w.now-r.readAt < 2*w.lease && !w.chance.oneIn(2*w.lease) {
			continue
		}
		if w.disk.Generation() < r.highest {
			return fmt.Errorf("I4: a replica sees generation %d after %d", w.disk.Generation(), r.highest)
		}
		r.ring, r.readAt, r.highest = w.disk, w.now, w.disk.Generation()
	}
	return nil
}

// fetch: a verifier fetches from any replica when it likes, and at the latest
// when its copy is too old (K4).
func (w *world) fetch() error {
	for _, v := range w.verifiers {
		if w.now-v.fetchedAt < 2*w.age && !w.chance.oneIn(2*w.age) {
			continue
		}
		r := w.replicas[w.chance(len(w.replicas))]
		v.set, v.fetchedAt = r.ring.PublicSet(w.at(r.offset)), w.now
	}
	return nil
}

// sign: every replica signs at every step.
func (w *world) sign() error {
	for _, r := range w.replicas {
		now := w.at(r.offset)
		k, err := r.ring.Current(w.purpose, now)
		if err != nil {
			return fmt.Errorf("I2: %w", err)
		}
		if w.chance.oneIn(20) && len(of(r.ring, w.purpose, keys.Signing, now)) != 1 {
			return errors.New("I2: not one signing key")
		}
		w.lastExp[k.ID] = max(w.lastExp[k.ID], w.now+r.offset+2*w.life)
	}
	return nil
}

// verify: whatever is not expired on a verifier's clock must verify there;
// what a revoked key signed must not, once the verifier's copy is newer.
func (w *world) verify() error {
	eyes := w.eyes()
	for kid, exp := range w.lastExp {
		if w.now > exp+2*w.leeway { // on the slowest clock, which is off by zero
			delete(w.lastExp, kid)
			continue
		}
		if _, dead := w.dead[kid]; dead {
			if err := w.refused(kid); err != nil {
				return err
			}
			continue
		}
		if w.hurried[kid] {
			continue // K1 is waived: a verifier may still lack it
		}
		for i, eye := range eyes {
			if w.now+eye.offset > exp+2*w.leeway {
				continue
			}
			if _, err := eye.Key(kid, w.purpose, w.at(eye.offset)); err != nil {
				return fmt.Errorf("I1: verifier %d: key %s: %w", i, kid, err)
			}
		}
	}
	return nil
}

// eye is somebody who verifies.
type eye struct {
	offset int
	keys.Source
}

// eyes are, for access tokens and the feed, the verifiers; for refresh tokens
// the replicas themselves.
func (w *world) eyes() (eyes []eye) {
	if w.purpose == keys.RefreshToken {
		for _, r := range w.replicas {
			eyes = append(eyes, eye{r.offset, r.ring})
		}
		return eyes
	}
	for _, v := range w.verifiers {
		eyes = append(eyes, eye{v.offset, v.set})
	}
	return eyes
}

// refused is I3 as far as rings go (the feed is faster): a copy of the ring
// that was read after the revocation neither signs nor verifies with the key.
func (w *world) refused(kid string) error {
	for _, r := range w.replicas {
		if r.readAt <= w.dead[kid] {
			continue
		}
		if k, err := r.ring.Current(w.purpose, w.at(r.offset)); err == nil && k.ID == kid {
			return fmt.Errorf("I3: %s signs after its revocation", kid)
		}
		if _, err := r.ring.Key(kid, w.purpose, w.at(r.offset)); err == nil {
			return fmt.Errorf("I3: %s verifies after its revocation", kid)
		}
		if _, err := r.ring.PublicSet(w.at(r.offset)).Key(kid, w.purpose, w.at(r.offset)); err == nil {
			return fmt.Errorf("I3: %s is published after its revocation", kid)
		}
	}
	return nil
}

// small worlds reach every corner of the plan within a few ticks.
func small(c chance) rules {
	return rules{lease: 2 + c(4), age: 1 + c(4), skew: c(3), leeway: c(3), life: 1 + c(4),
		replicas: 2, verifiers: 2, steps: 240, rotateEvery: 12, restartEvery: 40}
}

// days is a world of a week, with ticks that stand for ten minutes.
func days(c chance) rules {
	return rules{lease: 30 + c(120), age: 1 + c(6), skew: 1, leeway: c(3), life: 1 + c(12),
		replicas: 3, verifiers: 3, steps: 2 * 7 * 24 * 6, rotateEvery: 150, restartEvery: 200}
}

func TestNoRotationEverMakesAValidTokenRefused(t *testing.T) {
	for name, make := range map[string]func(chance) rules{"small worlds": small, "days": days} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := seeded(rapid.Uint64().Draw(t, "seed"))
				r := make(c)
				p := rapid.SampledFrom([]keys.Purpose{keys.AccessToken, keys.Feed, keys.RefreshToken}).Draw(t, "purpose")
				w, err := newWorld(r, p, r.plan(), c)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.run(); err != nil {
					t.Fatalf("%+v: %v", r, err)
				}
			})
		})
	}
}

func TestRevocationsAreObeyedAndHarmNoOtherKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := seeded(rapid.Uint64().Draw(t, "seed"))
		r := small(c)
		r.revokeEvery = 40
		p := rapid.SampledFrom([]keys.Purpose{keys.AccessToken, keys.RefreshToken}).Draw(t, "purpose")
		w, err := newWorld(r, p, r.plan(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.run(); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	})
}

func seeded(seed uint64) chance { return rand.New(rand.NewPCG(seed, 1)).IntN }

// Each of these plans is one tick too short. If no world refuted it, either
// the plan could be shorter or the property above could not fail.
func TestALeadOrATailOneTickShorterIsRefuted(t *testing.T) {
	honest := func(r rules) keys.Plan { return r.plan() }
	for _, c := range []struct {
		name  string
		p     keys.Purpose
		plan  func(rules) keys.Plan
		finds bool
	}{
		{"the honest plan", keys.AccessToken, honest, false},
		{"lead one tick less, by the key set's age", keys.AccessToken, func(r rules) keys.Plan {
			p := r.plan()
			p.JWKSMaxAge -= time.Second
			return p
		}, true},
		{"lead one tick less, by the lease", keys.RefreshToken, func(r rules) keys.Plan {
			p := r.plan()
			p.Lease -= time.Second
			return p
		}, true},
		{"tail one tick less, by the life", keys.AccessToken, func(r rules) keys.Plan {
			p := r.plan()
			for use := range p.Life {
				p.Life[use] -= time.Second
			}
			return p
		}, true},
		{"tail one tick less, by the leeway", keys.AccessToken, func(r rules) keys.Plan {
			p := r.plan()
			p.Leeway -= time.Second
			return p
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := search(t, c.p, c.plan)
			if c.finds && found == nil {
				t.Error("no world refutes this plan")
			}
			if !c.finds && found != nil {
				t.Error(found)
			}
		})
	}
}

// search tries worlds whose clocks differ and that have no reserves.
func search(t *testing.T, p keys.Purpose, plan func(rules) keys.Plan) error {
	t.Helper()
	for seed := range uint64(200) {
		c := seeded(seed)
		r := rules{lease: 2, age: 2, skew: 1, leeway: 1, life: 2, replicas: 2, verifiers: 2, steps: 80, rotateEvery: 10, extreme: true}
		w, err := newWorld(r, p, plan(r), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.run(); err != nil {
			return err
		}
	}
	return nil
}
