package redisstore

import (
	"os"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// size returns the one at full size where SEALRING_FULL asks for it.
func size(everyday, full int) int {
	if os.Getenv("SEALRING_FULL") != "" {
		return full
	}
	return everyday
}

// fleet is two replicas in processes of their own, three verifiers that follow
// them, and what is revoked meanwhile.
type fleet struct {
	t         *testing.T
	ring      *keys.Ring
	replicas  []*process
	verifiers []*verifier
	valid     []string
	appenders *appenders
	began     time.Time
	faults    int
}

const batchSize = 250

// newFleet starts a fleet that is to revoke so many entries.
func newFleet(t *testing.T, entries int, change func(*childSetup)) *fleet {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, ring: ring, valid: validTokens(t, ring, 8), began: time.Now()}
	for range 2 {
		f.replicas = append(f.replicas, newProcess(t, ring, change))
	}
	for i := range 3 {
		f.verifiers = append(f.verifiers, verifierOf(t, f.replicas[i%2], f.replicas[1-i%2]))
	}
	f.appenders = &appenders{acks: &acks{size: batchSize}, replicas: f.replicas, total: entries / batchSize}
	return f
}

// run makes one fault after the other while the appenders revoke, and then
// looks for every entry that was acknowledged.
func (f *fleet) run(faults ...func()) {
	f.t.Helper()
	a := f.appenders
	defer a.running.Wait()
	defer a.stop.Store(true)
	a.start(4)
	steps := len(faults) + 1
	for i, fault := range faults {
		until := a.total * (i + 1) / steps
		a.may.Store(max(a.may.Load(), int64(until)))
		f.await("the next fault is due", func() bool { return a.acks.len() >= until-a.total/steps/2 })
		fault() // while the other half of this step is appended
		f.await("the fleet is whole again", f.settled)
		f.faults++
	}
	a.may.Store(int64(a.total))
	f.await("all is acknowledged", func() bool { return a.acks.len() == a.total })
	f.await("the fleet is settled", f.settled)
	f.await("every verifier was held to the bound", func() bool {
		for _, v := range f.verifiers {
			if v.checked < a.acks.len() {
				return false
			}
		}
		return true
	})
	f.check()
}

// until has more and more appended, until something has come of it.
func (f *fleet) until(what string, ok func() bool) {
	f.t.Helper()
	f.await(what, func() bool {
		f.appenders.may.Add(1)
		return ok()
	})
}

// await waits as eventually does, while the verifiers are looked after.
func (f *fleet) await(what string, ok func() bool) {
	f.t.Helper()
	limit := time.Now().Add(4 * patience)
	for !ok() {
		if time.Now().After(limit) {
			f.t.Fatalf("not within %v: %s", 4*patience, what)
		}
		for _, v := range f.verifiers {
			v.watch(f.appenders.acks, f.valid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *fleet) settled() bool {
	for _, r := range f.replicas {
		if !r.settled() {
			return false
		}
	}
	return true
}

// check looks for every acknowledged entry at every verifier.
func (f *fleet) check() {
	f.t.Helper()
	r := f.appenders.acks
	for i, v := range f.verifiers {
		missing := 0
		for limit := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
			missing = 0
			for n := range r.len() {
				missing += v.missing(r.at(n).batch, r.size)
			}
			if missing == 0 || time.Now().After(limit) {
				break
			}
		}
		if missing > 0 {
			f.t.Errorf("verifier %d lacks %d entries", i, missing)
		}
		v.watch(r, f.valid)
		for _, fault := range v.faults[:min(5, len(v.faults))] {
			f.t.Errorf("verifier %d: %s (%d such)", i, fault, len(v.faults))
		}
		f.t.Logf("verifier %d: %d entries checked, %d lost; %d batches refused within the bound and from then on; %d valid requests served",
			i, r.len()*r.size, missing, len(v.refused), v.served)
	}
	f.t.Logf("%d entries acknowledged, %d of them as shared at once, through %d faults in %v",
		r.len()*r.size, r.shared()*r.size, f.faults, time.Since(f.began).Round(time.Second))
}
