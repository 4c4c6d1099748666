package authsvc_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// remembered returns how much longer each entry that is not trusted now is
// kept, by type, to the quarter of a minute.
func (w *world) remembered() map[string]time.Duration {
	w.t.Helper()
	var list struct {
		Revocations []struct {
			Type    string    `json:"type"`
			Expires time.Time `json:"expires"`
		} `json:"revocations"`
	}
	must(w.t, json.Unmarshal([]byte(w.revocations()), &list))
	left := map[string]time.Duration{}
	for _, e := range list.Revocations {
		left[e.Type] = time.Until(e.Expires).Round(15 * time.Second)
	}
	return left
}

// Each revocation is kept until nothing is left that it could match, whatever
// lifetimes were set before: access tokens of 15 minutes, of which the plan
// tells, and clocks a minute apart at the issuer and at the verifier.
func TestEachRevocationHasItsOwnEnd(t *testing.T) {
	plan := keys.DefaultPlan()
	plan.Life[keys.AccessToken] = 15 * time.Minute
	plan.Life[keys.RefreshToken], plan.Life[keys.SessionCookie] = time.Hour, time.Hour
	ring, err := keys.NewRing(plan, keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	signing, err := ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	const token, slack = 15 * time.Minute, 2 * time.Minute
	session := tokens.NewID().String()
	for name, tc := range map[string]struct {
		ttl         time.Duration // of a session
		kind, value string
		want        time.Duration
	}{
		"a token":                       {0, "token", session, token + slack},
		"a session":                     {0, "session", session, 12*time.Hour + token + slack},
		"a session that idles out soon": {1000 * time.Hour, "session", session, time.Hour + 24*time.Hour + slack},
		"a subject":                     {0, "subject", "u-ann", 12*time.Hour + token + slack},
		"a client":                      {0, "client", "orders", 12*time.Hour + token + slack},
		"an audience":                   {0, "audience", "orders", 12*time.Hour + token + slack},
		"stale claims":                  {0, "claims", "u-ann", 15*time.Second + token + slack},
		"everything":                    {0, "all", "", 12*time.Hour + token + slack},
		"sessions of a longer session_ttl, set before": {30 * time.Minute, "subject", "u-ann", time.Hour + slack},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *authsvc.Config) { c.Ring, c.SessionTTL = ring, tc.ttl })
			body := `{"type":"` + tc.kind + `","value":"` + tc.value + `"}`
			if tc.value == "" {
				body = `{"type":"` + tc.kind + `"}`
			}
			w.post(w.admin+"/admin/v1/revocations", body, withBearer(adminToken)).want(t, 201, "")
			if got := w.remembered()[tc.kind]; got != tc.want {
				t.Errorf("kept for %v, want %v", got, tc.want)
			}
		})
	}

	t.Run("a key that signs on", func(t *testing.T) {
		w := newWorld(t, func(c *authsvc.Config) { c.Ring = ring })
		w.post(w.admin+"/admin/v1/revocations", `{"type":"key","value":"`+signing.ID+`"}`, withBearer(adminToken)).want(t, 201, "")
		if got := w.remembered()["key"]; time.Now().Add(got + time.Minute).Before(time.Unix(math.MaxUint32, 0)) {
			t.Errorf("kept for %v: it would be trusted again", got)
		}
	})
	t.Run("a key with an end", func(t *testing.T) {
		rotated, err := ring.Rotate(keys.AccessToken, plan, time.Now())
		must(t, err)
		var end time.Time
		for _, k := range rotated.Keys() {
			if k.ID == signing.ID {
				end = k.VerifyUntil
			}
		}
		w := newWorld(t, func(c *authsvc.Config) { c.Ring = rotated })
		w.post(w.admin+"/admin/v1/revocations", `{"type":"key","value":"`+signing.ID+`"}`, withBearer(adminToken)).want(t, 201, "")
		if got := time.Now().Add(w.remembered()["key"]).Sub(end); end.IsZero() || got < -time.Minute || got > time.Minute {
			t.Errorf("kept until %v after the key's last moment", got)
		}
	})
}

// The last access token of a session ends with it, and verifiers forgive it a
// little more: so long must a theft be known.
func TestATheftIsRememberedBeyondTheSession(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	sid := tokens.NewID()
	w.refresh(w.aged(sid, 5, time.Minute)).want(t, 200, "")
	w.refresh(w.aged(sid, 3, 2*time.Minute)).want(t, 401, "session-ended")
	if got := w.remembered()["session"]; got != time.Hour+2*time.Minute {
		t.Errorf("kept for %v, want the hour of the session and twice the skew", got)
	}
}
