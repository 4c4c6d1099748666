package authsvc_test

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Two replicas that hear each other come to rest: what one has from the other
// it does not say again, whatever the feed made of its times.
func TestWhatIsKnownIsNotLearntAgain(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	sid := tokens.NewID()
	heard := []revocation.Entry{
		revocation.SessionEntry(sid, now, now.Add(time.Minute)).OnFeed(time.Minute),
		revocation.SubjectEntry(w.issuer, "u-ann", now, now.Add(time.Minute)).OnFeed(time.Minute),
	}
	must(t, w.svc.Learn(t.Context(), heard))
	appends := w.log.appends.Load()
	if appends != 1 {
		t.Fatalf("%d appends", appends)
	}
	for i := range heard { // as the other replica's feed tells it later
		heard[i].Exp += 60
	}
	must(t, w.svc.Learn(t.Context(), heard))
	if n := w.log.appends.Load(); n != appends {
		t.Errorf("learnt again: %d appends", n)
	}
	heard[1].T++ // a later not-before is news
	must(t, w.svc.Learn(t.Context(), heard))
	if n := w.log.appends.Load(); n != appends+1 {
		t.Errorf("%d appends", n)
	}
}

// A feed forgets an entry once no access token can match it. Refresh tokens
// live longer, and so must what is learnt.
func TestWhatIsLearntOutlivesTheFeed(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	sid := tokens.NewID()
	must(t, w.svc.Learn(t.Context(), []revocation.Entry{revocation.SessionEntry(sid, now, now.Add(time.Minute))}))
	w.refresh(w.aged(sid, 0, time.Second)).want(t, 401, "session-ended")
	list := w.get(w.admin+"/admin/v1/revocations", withBearer(adminToken)).want(t, 200, "").json(t)["revocations"].([]any)
	expires, err := time.Parse(time.RFC3339, list[0].(map[string]any)["expires"].(string))
	must(t, err)
	if left := expires.Sub(now); left < 30*time.Minute {
		t.Errorf("it is forgotten after %v", left)
	}
}
