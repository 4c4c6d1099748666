package authsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// notShared fails unless the answer is the 202 of a revocation that is in
// force here alone.
func (a answer) notShared(t *testing.T) answer {
	t.Helper()
	a.want(t, 202, "")
	if v := a.json(t); v["durable"] != true || v["shared"] != false {
		t.Errorf("202 says %s", a.body)
	}
	return a
}

// While the shared store is away a revocation is done all the same, in force
// here, and its answer says so.
func TestARevocationThatCouldNotBeShared(t *testing.T) {
	w := newWorld(t)
	w.log.apart.Store(true)
	revoke := func(kind, value string) func(t *testing.T, in answer) answer {
		return func(t *testing.T, in answer) answer {
			a := w.post(w.admin+"/admin/v1/revocations", `{"type":"`+kind+`","value":"`+value+`"}`, withBearer(adminToken))
			if a.str(t, "type") != kind || a.str(t, "id") == "" || a.str(t, "expires") == "" {
				t.Errorf("it does not say what was revoked: %s", a.body)
			}
			return a
		}
	}
	for name, end := range map[string]func(t *testing.T, in answer) answer{
		"by logout": func(_ *testing.T, in answer) answer {
			return w.post("/v1/logout", "", withBearer(in.str(t, "access_token")))
		},
		"by a second logout": func(_ *testing.T, in answer) answer {
			w.log.apart.Store(false)
			w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "")
			w.log.apart.Store(true)
			return w.post("/v1/logout", "", withBearer(in.str(t, "access_token")))
		},
		"by logout of all": func(_ *testing.T, in answer) answer {
			return w.post("/v1/logout/all", "", withBearer(in.str(t, "access_token")))
		},
		"at the revocation endpoint": func(_ *testing.T, in answer) answer {
			return w.formTo("/v1/revoke", url.Values{"token": {in.str(t, "refresh_token")}})
		},
		"at the admin API": revoke("subject", "u-ann"),
	} {
		t.Run(name, func(t *testing.T) {
			in := w.login()
			a := end(t, in).notShared(t)
			if strings.HasPrefix(name, "by") {
				for _, name := range []string{"__Host-session", "__Secure-refresh"} {
					if c := a.cookie(t, name); c.MaxAge >= 0 || c.Value != "" {
						t.Errorf("%s is not cleared: %v", name, c)
					}
				}
				if a.header.Get("Clear-Site-Data") == "" {
					t.Error("no Clear-Site-Data")
				}
			}
			w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 401, "invalid-token")
			w.refresh(in.str(t, "refresh_token")).want(t, 401, "session-ended")
		})
	}
}

// A theft that could not be told everywhere is no fault, and a revoked key
// that was told here is not told again and again.
func TestWhatIsNotSharedIsNoFault(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	w.log.apart.Store(true)
	sid := tokens.NewID()
	w.refresh(w.aged(sid, 5, time.Minute)).want(t, http.StatusOK, "")
	a := w.refresh(w.aged(sid, 3, 2*time.Minute)).want(t, 401, "session-ended")
	if a.str(t, "reason") != "reused" {
		t.Fatalf("no theft: %s", a.body)
	}
	current, err := w.ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	ring, err := w.ring.Revoke(current.ID, "stolen laptop", time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	w.eventually("the key's end is on the feed", func() bool {
		return strings.Contains(w.revocations(), `"type":"key"`)
	})
	if logged := w.logged.String(); strings.Contains(logged, `"level":"ERROR"`) {
		t.Errorf("logged as an error:\n%s", logged)
	}
}
