package ringredis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

func TestALostRingIsWrittenBackWithinThePoll(t *testing.T) {
	for name, lose := range map[string]func(room){
		"wiped":                  func(r room) { r.server.Do("FLUSHALL") },
		"killed, back but empty": func(r room) { r.server.Restart() },
		"emptied":                func(r room) { r.server.Do("SET", key, "") },
	} {
		t.Run(name, func(t *testing.T) {
			r := furnish(t)
			s := open(t, r.cfg)
			want := update(t, s, rotate)
			w := watch(t, s)
			for range 2 { // each loss is told
				lose(r)
				w.fault(t, ringredis.ErrLost, "generation 2")
				if got := open(t, r.other(t)).Ring(); !same(t, got, want) {
					t.Errorf("written back: %v", got)
				}
			}
			w.calm(t, s)
			if s.Ring() != want {
				t.Error("the copy is another one")
			}
			update(t, open(t, r.other(t)), change)
			w.ring(t, 3)
		})
	}
}

func TestTheNewestOfAllCopiesEndsUpInRedis(t *testing.T) {
	r := furnish(t)
	old, new := open(t, r.cfg), open(t, r.other(t))
	want := update(t, new, rotate) // old has not looked since
	r.server.Do("FLUSHALL")
	a := watch(t, old)
	a.fault(t, ringredis.ErrLost, "generation 1")
	b := watch(t, new)
	b.fault(t, ringfile.ErrRollback, "generation 1 was in Redis after 2")
	a.ring(t, 2)
	if got := open(t, r.other(t)).Ring(); !same(t, got, want) || !same(t, old.Ring(), want) {
		t.Errorf("in Redis: %v, in the older copy: %v", got, old.Ring())
	}
	a.silent(t)
	b.calm(t, new)
}

func TestAnOlderRingIsReplacedByTheCopy(t *testing.T) {
	r := furnish(t)
	first := r.value(t)
	s := open(t, r.cfg)
	want := update(t, s, rotate)
	w := watch(t, s)
	r.server.Do("SET", key, first)
	w.fault(t, ringfile.ErrRollback)
	if got := open(t, r.other(t)).Ring(); !same(t, got, want) || s.Ring() != want {
		t.Errorf("in Redis: %v, copy: %v", got, s.Ring())
	}
	w.calm(t, s)
}

func TestAnUpdateOnALostRingMendsItAndSaysSo(t *testing.T) {
	r := furnish(t)
	s := open(t, r.cfg)
	for _, c := range []struct {
		lose []any
		want error
	}{
		{[]any{"DEL", key}, ringredis.ErrLost},
		{[]any{"SET", key, r.value(t)}, ringfile.ErrRollback},
	} {
		g := update(t, s, change).Generation()
		r.server.Do(c.lose...)
		plan := func(r *keys.Ring) (*keys.Ring, error) { t.Error("planned"); return r, nil }
		if _, err := s.Update(t.Context(), plan); !errors.Is(err, c.want) {
			t.Errorf("after %v: %v", c.lose[0], err)
		}
		if again := update(t, s, change).Generation(); again != g+1 {
			t.Errorf("after %v and %d came generation %d", c.lose[0], g, again)
		}
	}
}

func TestWritingBackNeverReplacesANewerRing(t *testing.T) {
	r := furnish(t)
	m := new(meddler)
	client := r.server.Client(t)
	client.AddHook(m)
	cfg := r.cfg
	cfg.Client = client
	s, first := open(t, cfg), r.value(t)
	update(t, s, change)
	admin := open(t, r.other(t))
	r.server.Do("SET", key, first)
	var newest *keys.Ring
	m.before = func() error { // between the look and the write
		if _, err := admin.Update(t.Context(), change); !errors.Is(err, ringfile.ErrRollback) {
			t.Errorf("the other mends it: %v", err)
		}
		newest = update(t, admin, change)
		return nil
	}
	if _, err := s.Update(t.Context(), change); !errors.Is(err, ringfile.ErrRollback) {
		t.Errorf("Update: %v", err)
	}
	if got := open(t, r.other(t)).Ring(); !same(t, got, newest) || !same(t, s.Ring(), newest) {
		t.Errorf("in Redis: %v, copy: %v", got, s.Ring())
	}
	watch(t, s).calm(t, s)
}

// fork lets two replicas make different rings of one.
func fork(t *testing.T, r room, planA, planB func(*keys.Ring) (*keys.Ring, error)) (a, b *ringredis.Shared) {
	t.Helper()
	first := r.value(t)
	a, b = open(t, r.cfg), open(t, r.other(t))
	update(t, a, planA)
	r.server.Do("SET", key, first) // a failover that lost it
	update(t, b, planB)
	return a, b
}

func TestOfTwoRingsOfOneGenerationEverybodyTakesTheSame(t *testing.T) {
	r := furnish(t)
	first := r.value(t)
	var rings []*keys.Ring
	var values []string
	for range 2 {
		r.server.Do("SET", key, first) // a failover that lost the one before
		rings = append(rings, update(t, open(t, r.cfg), rotate))
		values = append(values, r.value(t))
	}
	var winners []*keys.Ring
	for i, mine := range values {
		r.server.Do("SET", key, mine)
		s := open(t, r.other(t))
		was := s.Ring()
		r.server.Do("SET", key, values[1-i])
		w := watch(t, s)
		winner := s.Ring()
		if same(t, was, winner) {
			w.fault(t, ringredis.ErrForked, "generation 2", "gives way to ours", lost(rings[1-i], was))
		} else {
			w.fault(t, ringredis.ErrForked, "our generation 2 gave way", lost(was, winner))
		}
		if got := open(t, r.other(t)).Ring(); !same(t, got, winner) {
			t.Errorf("in Redis is %v", got)
		}
		w.calm(t, s)
		w.stop()
		winners = append(winners, winner)
	}
	if !same(t, winners[0], winners[1]) {
		t.Error("which one wins depends on who looks")
	}
}

// lost names a key that only the first ring has.
func lost(ring, other *keys.Ring) string {
	for _, k := range ring.Keys() {
		if _, ok := other.State(k.ID, time.Now()); !ok {
			return k.ID
		}
	}
	return ""
}

func TestARevocationStaysWhicheverRingCameFirst(t *testing.T) {
	for name, plans := range map[string][2]func(*keys.Ring) (*keys.Ring, error){
		"the copy has it":             {burn, rotate},
		"the one in Redis has it":     {rotate, burn},
		"against a mere confirmation": {burn, change},
	} {
		for range 4 { // by the digest alone it would be chance
			r := furnish(t)
			a, b := fork(t, r, plans[0], plans[1])
			wa, wb := watch(t, a), watch(t, b)
			eventually(t, name, func() bool { return revoked(a.Ring()) && revoked(b.Ring()) })
			wa.stop()
			wb.stop()
			if !revoked(open(t, r.other(t)).Ring()) {
				t.Errorf("%s: it is gone", name)
			}
		}
	}
}

func revoked(r *keys.Ring) bool {
	for _, k := range r.Keys() {
		if !k.RevokedAt.IsZero() {
			return true
		}
	}
	return false
}

func TestALaterRingOfAnotherLineIsTakenAndTold(t *testing.T) {
	r := furnish(t)
	a, b := fork(t, r, rotate, change)
	want := update(t, b, change) // generation 3
	w := watch(t, a)
	w.fault(t, ringredis.ErrForked, "generation 3 was not made of our 2", "lost: key ")
	if !same(t, a.Ring(), want) {
		t.Errorf("the copy is %v", a.Ring())
	}
	w.calm(t, a)
}

func TestAnOrdinaryLifeRaisesNoAlarm(t *testing.T) {
	r := furnish(t)
	s, admin := open(t, r.cfg), open(t, r.other(t))
	w := watch(t, s)
	g := uint64(1)
	for _, plan := range []func(*keys.Ring) (*keys.Ring, error){rotate, change, burn, change} {
		update(t, admin, plan)
		g++
		w.ring(t, g)
	}
	w.calm(t, s)
}
