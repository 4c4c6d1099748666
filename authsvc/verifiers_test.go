package authsvc_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi/adminapi"
	"github.com/sealring-dev/sealring/tokens"
)

// verifiers asks the admin API, as an administrator does.
func (w *world) verifiers() adminapi.VerifierList {
	w.t.Helper()
	var list adminapi.VerifierList
	must(w.t, json.Unmarshal(w.get(w.admin+"/admin/v1/verifiers", withBearer(adminToken)).want(w.t, 200, "").body, &list))
	return list
}

// verifier is the only one there is.
func (w *world) verifier() adminapi.Verifier {
	w.t.Helper()
	list := w.verifiers()
	if len(list.Verifiers) != 1 {
		w.t.Fatalf("%d verifiers: %+v", len(list.Verifiers), list.Verifiers)
	}
	return list.Verifiers[0]
}

func (w *world) held(body string, options ...option) answer {
	w.t.Helper()
	return w.post("/v1/feed/held", body, append([]option{w.basic()}, options...)...)
}

func heldBody(id tokens.ID, generation int) string {
	return fmt.Sprintf(`{"verifier":"%s","generation":%d,"position":"00000000000000ff.7-1"}`, id, generation)
}

func TestAFollowerIsListedWithWhatItHolds(t *testing.T) {
	w := newWorld(t)
	if list := w.verifiers(); len(list.Verifiers) != 0 || list.Generation != 1 || time.Since(list.Since) > time.Minute {
		t.Errorf("before anybody came: %+v", list)
	}
	id := tokens.NewID()
	f := w.follow("?verifier=" + id.String() + "&holding=1")
	position := f.next("").id
	w.eventually("the first frame counts", func() bool { return w.verifier().Position == position })
	v := w.verifier()
	if v.ID != id.String() || v.ClientID != "orders" || v.Generation != 1 || !v.Live || !v.Connected || v.Remote == "" {
		t.Errorf("%+v", v)
	}
	if v.LagMs > 2500 || time.Since(v.Since) > time.Minute || time.Since(v.ReportedAt) > time.Minute {
		t.Errorf("times: %+v", v)
	}

	f.close()
	w.eventually("it is gone", func() bool { return !w.verifier().Connected })
	if v := w.verifier(); !v.Live || v.Generation != 1 {
		t.Errorf("just gone: %+v", v)
	}
	again := w.follow("?verifier=" + id.String() + "&holding=0&since=" + position)
	again.next("keys")
	if v := w.verifier(); !v.Connected || v.Generation != 0 {
		t.Errorf("back with nothing: %+v", v)
	}
}

func TestAReportRaisesWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	id := tokens.NewID()
	w.follow("?verifier=" + id.String() + "&holding=1").next("")
	for _, step := range []struct{ report, want int }{{2, 2}, {5, 5}, {3, 5}} {
		w.held(heldBody(id, step.report)).want(t, 204, "")
		if v := w.verifier(); v.Generation != int64(step.want) || !v.Connected {
			t.Errorf("after a report of %d: %+v", step.report, v)
		}
	}
}

func TestAReportOfOneWhoFollowsAnotherReplicaCounts(t *testing.T) {
	w := newWorld(t)
	id := tokens.NewID()
	w.held(heldBody(id, 4)).want(t, 204, "")
	if v := w.verifier(); v.Connected || !v.Live || v.Generation != 4 || v.Position != "00000000000000ff.7-1" {
		t.Errorf("%+v", v)
	}
	w.held(heldBody(id, 5)).want(t, 204, "")
	if v := w.verifier(); v.Generation != 5 {
		t.Errorf("%+v", v)
	}
}

func TestNobodySpeaksForAnothersVerifier(t *testing.T) {
	w := newWorld(t)
	id := tokens.NewID()
	w.follow("?verifier=" + id.String() + "&holding=1").next("")
	w.post("/v1/feed/held", heldBody(id, 9), withBasic("nobody", w.nobody)).want(t, 403, "insufficient-scope")
	w.post("/v1/feed/held", heldBody(id, 9), withBasic("orders", "wrong")).want(t, 401, "bad-client")
	w.post("/v1/feed/held", heldBody(id, 9)).want(t, 401, "bad-client")
	if v := w.verifier(); v.Generation != 1 {
		t.Errorf("%+v", v)
	}
}

func TestAReportThatIsNoneIsRefused(t *testing.T) {
	w := newWorld(t)
	id := tokens.NewID().String()
	for name, body := range map[string]string{
		"no body":          "",
		"a short id":       `{"verifier":"x","generation":1,"position":"00000000000000ff.7-1"}`,
		"spare bits":       `{"verifier":"` + id[:21] + `_","generation":1,"position":"00000000000000ff.7-1"}`,
		"less than zero":   `{"verifier":"` + id + `","generation":-1,"position":"00000000000000ff.7-1"}`,
		"no position":      `{"verifier":"` + id + `","generation":1}`,
		"a wrong position": `{"verifier":"` + id + `","generation":1,"position":"here"}`,
		"another member":   `{"verifier":"` + id + `","generation":1,"position":"00000000000000ff.7-1","more":1}`,
	} {
		t.Run(name, func(t *testing.T) { w.held(body).want(t, 400, "invalid-request") })
	}
	for _, query := range []string{"?holding=1", "?verifier=x", "?verifier=" + id + "&holding=-1", "?verifier=" + id + "&holding=x",
		"?verifier=" + id + "&verifier=" + id, "?verifier="} {
		t.Run(query, func(t *testing.T) { w.get("/v1/feed"+query, w.basic()).want(t, 400, "invalid-request") })
	}
	if list := w.verifiers(); len(list.Verifiers) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestOneWhoPollsIsListedToo(t *testing.T) {
	w := newWorld(t)
	position := w.follow("").next("").id
	id := tokens.NewID()
	w.get("/v1/feed?wait=1&since="+position+"&holding=1&verifier="+id.String(), w.basic()).want(t, 204, "")
	if v := w.verifier(); v.ID != id.String() || v.Connected || !v.Live || v.Position != position {
		t.Errorf("%+v", v)
	}
}

func TestKeySetsSayTheirGeneration(t *testing.T) {
	w := newWorld(t)
	check := func(want uint64) {
		t.Helper()
		for _, path := range []string{"/.well-known/jwks.json", "/v1/session-keys"} {
			if got := w.get(path, w.basic()).want(t, 200, "").header.Get("Sealring-Generation"); got != strconv.FormatUint(want, 10) {
				t.Errorf("%s: generation %q, want %d", path, got, want)
			}
		}
		if list := w.verifiers(); list.Generation != int64(want) {
			t.Errorf("the list says generation %d", list.Generation)
		}
	}
	check(1)
	next, err := w.ring.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
	must(t, err)
	w.svc.SetRing(next)
	check(2)
	etag := w.get("/.well-known/jwks.json").header.Get("ETag")
	w.get("/.well-known/jwks.json", header("If-None-Match", etag)).want(t, 304, "")
	if uri := w.get("/.well-known/oauth-authorization-server").json(t)["sealring_feed"].(map[string]any)["held_uri"]; uri != w.issuer+"/v1/feed/held" {
		t.Errorf("held_uri %q", uri)
	}
}

func TestTheListOfVerifiersIsForAdministrators(t *testing.T) {
	w := newWorld(t)
	w.get(w.admin+"/admin/v1/verifiers").want(t, 401, "no-credential")
	w.get(w.admin+"/admin/v1/verifiers", withBearer("wrong")).want(t, 401, "invalid-token")
	w.get("/admin/v1/verifiers", withBearer(adminToken)).want(t, 404, "not-found")
}
