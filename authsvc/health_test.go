package authsvc_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

// warned returns the one warning that /readyz has with its 200.
func (w *world) warned(code string) map[string]any {
	w.t.Helper()
	a := w.get(w.admin+"/readyz").want(w.t, 200, "")
	all, _ := a.json(w.t)["warnings"].([]any)
	if a.str(w.t, "status") != "degraded" || len(all) != 1 || all[0].(map[string]any)["code"] != code {
		w.t.Fatalf("%s, want one warning %s", a.body, code)
	}
	return all[0].(map[string]any)
}

func (w *world) unwarned() {
	w.t.Helper()
	if a := w.get(w.admin+"/readyz").want(w.t, 200, ""); strings.TrimSpace(string(a.body)) != `{"status":"ok"}` {
		w.t.Fatalf("%s", a.body)
	}
}

func TestARingThatIsRefusedIsAWarningUntilTheLeaseEnds(t *testing.T) {
	w, ago := lookedAt(t)
	w.unwarned()
	ago(time.Hour)
	w.svc.RingFault(errors.New("sealed under another master key"))
	got := w.warned("ring-stale")
	if !strings.HasSuffix(got["detail"].(string), "generation 1 of the key ring is in use and may not be the newest: sealed under another master key") {
		t.Errorf("%v", got)
	}
	until, err := time.Parse(time.RFC3339, got["until"].(string))
	must(t, err)
	if left := time.Until(until); left < 22*time.Hour || left > 23*time.Hour {
		t.Errorf("it says that %v are left of a lease of 24 h, an hour after the last look", left)
	}
	w.login() // it goes on

	ago(keys.DefaultPlan().Lease + time.Second)
	a := w.get(w.admin+"/readyz").want(t, 503, "unavailable")
	if d := a.str(t, "detail"); !strings.Contains(d, "lease") || !strings.Contains(d, "another master key") {
		t.Errorf("the reason is not there: %s", a.body)
	}
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 503, "unavailable")

	ago(-time.Millisecond) // a look that found the ring good
	w.unwarned()
}

func TestARingThatIsTakenOverEndsTheWarning(t *testing.T) {
	w := newWorld(t)
	w.svc.RingFault(errors.New("damaged"))
	w.warned("ring-stale")
	ring, err := w.ring.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	w.unwarned()
}

func TestARingThatWasPlannedForShorterLivesIsAWarning(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.AccessTTL = 4 * time.Minute })
	plan := keys.DefaultPlan()
	plan.Life[keys.AccessToken] = 3 * time.Minute
	ring, err := keys.NewRing(plan, keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	ring, err = ring.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	if got := w.warned("ring-unsuitable"); !strings.Contains(got["detail"].(string), "AccessTTL") {
		t.Errorf("%v", got)
	}
}

// behind is a Log that was complete some time ago.
type behind struct {
	authsvc.Log
	by atomic.Int64 // nanoseconds
}

func (b *behind) AsOf() time.Time {
	if b.by.Load() < 0 { // it was never read
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(b.by.Load()))
}

func TestASharedStoreThatCanNotBeReadIsAWarning(t *testing.T) {
	var log *behind
	w := newWorld(t, func(c *authsvc.Config) {
		log = &behind{Log: c.Log}
		c.Log = log
	})
	w.unwarned()
	log.by.Store(int64(time.Minute))
	got := w.warned("revocations-stale")
	until, err := time.Parse(time.RFC3339, got["until"].(string))
	must(t, err)
	if left := time.Until(until); left < 13*time.Minute || left > 14*time.Minute {
		t.Errorf("%v are left of a quarter of an hour, a minute later", left)
	}
	log.by.Store(-1)
	if got := w.warned("revocations-stale"); got["until"] != nil || got["since"] != nil {
		t.Errorf("of one that was never read: %v", got)
	}
	log.by.Store(int64(time.Second))
	w.unwarned()
}

func TestAClockThatIsOffIsNotReady(t *testing.T) {
	var off atomic.Int64
	w := newWorld(t, func(c *authsvc.Config) { c.Skew = func() time.Duration { return time.Duration(off.Load()) } })
	w.unwarned()
	for _, skew := range []time.Duration{31 * time.Second, -31 * time.Second} {
		off.Store(int64(skew))
		a := w.get(w.admin+"/readyz").want(t, 503, "unavailable")
		if !strings.Contains(a.str(t, "detail"), skew.String()) {
			t.Errorf("the reason is not there: %s", a.body)
		}
	}
	off.Store(int64(-29 * time.Second))
	w.unwarned()
}

func TestAFullDiskIsAWarningUntilSomethingCouldBeKept(t *testing.T) {
	w := newWorld(t)
	in := withBearer(w.login().str(t, "access_token"))
	w.unwarned()
	w.log.fault.Store(true)
	w.post("/v1/logout", "", in).want(t, 503, "unavailable")
	if got := w.warned("revocations-refused"); !strings.Contains(got["detail"].(string), errDisk.Error()) || got["since"] == nil {
		t.Errorf("%v", got)
	}
	w.log.fault.Store(false)
	w.warned("revocations-refused") // nobody has tried yet
	w.post("/v1/logout", "", in).want(t, 204, "")
	w.unwarned()
}
