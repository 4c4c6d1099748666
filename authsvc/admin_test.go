package authsvc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestAdminTokenIsDemanded(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/admin/v1/revocations", "/admin/v1/keys"} {
		w.get(w.admin+path).want(t, 401, "no-credential")
		w.get(w.admin+path, withBearer("wrong")).want(t, 401, "invalid-token")
		w.get(w.admin+path, withBearer(adminToken+"x")).want(t, 401, "invalid-token")
		w.get(w.admin+path, withBasic("admin", adminToken)).want(t, 401, "invalid-token")
		w.get(w.admin+path, withBearer(adminToken), withBearer(adminToken)).want(t, 400, "invalid-request")
		w.get(w.admin+path, withBearer(adminToken)).want(t, 200, "")
	}
	w.post(w.admin+"/admin/v1/revocations", `{"type":"all"}`).want(t, 401, "no-credential")
	w.get(w.admin+"/livez").want(t, 200, "")
}

func TestAdminRevokes(t *testing.T) {
	w := newWorld(t)
	current, err := w.ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	for _, kind := range []string{"token", "session", "subject", "client", "audience", "all", "key"} {
		t.Run(kind, func(t *testing.T) {
			in := w.login().str(t, "access_token")
			w.get("/v1/session", withBearer(in)).want(t, 200, "")
			c, err := tokens.Verify(in, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}, Leeway: time.Minute}, time.Now())
			must(t, err)
			value := map[string]string{"token": c.ID.String(), "session": c.SessionID.String(), "subject": "u-ann",
				"client": "login", "audience": "stock", "key": current.ID}[kind]
			body := `{"type":"` + kind + `","value":"` + value + `"}`
			if kind == "all" {
				body = `{"type":"all"}`
			}
			a := w.post(w.admin+"/admin/v1/revocations", body, withBearer(adminToken)).want(t, 201, "")
			w.get("/v1/session", withBearer(in)).want(t, 401, "invalid-token")
			list := w.get(w.admin+"/admin/v1/revocations?limit=100", withBearer(adminToken)).want(t, 200, "")
			if !strings.Contains(string(list.body), a.str(t, "id")) {
				t.Errorf("%s is not in %s", a.body, list.body)
			}
			if kind == "key" {
				w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 503, "unavailable") // nothing is signed with it any more
				return
			}
			w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "")
		})
	}
}

func TestAdminRevokesThoseWhoLoggedInBefore(t *testing.T) {
	w := newWorld(t)
	past := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	old := w.sign(func(c *tokens.Claims) { c.AuthTime = past })
	fresh := w.login().str(t, "access_token")
	body := `{"type":"subject","value":"u-ann","before":"` + past.Add(time.Minute).UTC().Format(time.RFC3339) + `"}`
	w.post(w.admin+"/admin/v1/revocations", body, withBearer(adminToken)).want(t, 201, "")
	w.get("/v1/session", withBearer(old)).want(t, 401, "invalid-token")
	w.get("/v1/session", withBearer(fresh)).want(t, 200, "")
}

func TestAdminRefuses(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	w.unchanged(t, func() {
		for _, body := range []string{
			`{}`, `{"type":"mars","value":"x"}`, `{"type":"session"}`, `{"type":"session","value":"short"}`,
			`{"type":"token","value":"` + strings.Repeat("A", 22) + `"}`, `{"type":"all","value":"x"}`, `{"type":"key","value":"unknown"}`,
			`{"type":"claims"}`, `{"type":"claims","value":"u-ann","before":"2020-01-01T00:00:00Z"}`, `{"type":"subject","value":""}`, `{"type":"subject","value":"u","before":"tomorrow"}`, `{"type":"subject","value":"u","before":"` + soon + `"}`,
			`{"type":"subject","value":"u","before":"1969-01-01T00:00:00Z"}`, `{"type":"all","before":"0001-01-01T00:00:00Z"}`,
			`{"type":"subject","value":"u","before":"0001-01-01T00:00:00Z"}`, `{"type":"all","before":null}`, `{"type":"session","value":"wHs1T1vZ7y3lBqk0F5mGQg","before":"2020-01-01T00:00:00Z"}`,
			`{"type":"subject","value":"` + strings.Repeat("x", 1025) + `"}`,
		} {
			w.post(w.admin+"/admin/v1/revocations", body, withBearer(adminToken)).want(t, 400, "invalid-request")
		}
		for _, limit := range []string{"0", "10001", "x", "-1", ""} {
			w.get(w.admin+"/admin/v1/revocations?limit="+limit, withBearer(adminToken)).want(t, 400, "invalid-request")
		}
	})
}

func TestAdminListsTheNewestFirstAndAtMost(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.revoke()
	}
	v := w.get(w.admin+"/admin/v1/revocations?limit=2", withBearer(adminToken)).want(t, 200, "").json(t)
	if v["total"].(float64) != 5 || len(v["revocations"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

func TestAdminListsKeysWithoutTheirMaterial(t *testing.T) {
	w := newWorld(t)
	a := w.get(w.admin+"/admin/v1/keys", withBearer(adminToken)).want(t, 200, "")
	v := a.json(t)
	states := map[string]int{}
	for _, k := range v["keys"].([]any) {
		states[k.(map[string]any)["state"].(string)]++
	}
	if len(v["keys"].([]any)) != 8 || states["signing"] != 4 || states["standby"] != 4 {
		t.Errorf("%s", a.body)
	}
}
