package authsvc_test

import (
	"errors"
	"strings"
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
