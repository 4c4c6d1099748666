package authsvc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func (w *world) patch(body string, options ...option) answer {
	w.t.Helper()
	return w.do("PATCH", "/v1/session", "application/merge-patch+json", body, options...)
}

// loginWith logs ann in by cookie, with that data.
func (w *world) loginWith(data string) answer {
	w.t.Helper()
	return w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":`+data+`}`).want(w.t, 200, "")
}

// data is the data that an answer shows, and its version.
func (a answer) data(t *testing.T) string {
	t.Helper()
	type session struct {
		Data    json.RawMessage
		Version int
		Session *session
	}
	var s session
	if err := json.Unmarshal(a.body, &s); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	if s.Session != nil {
		s = *s.Session
	}
	return fmt.Sprintf("%d %s", s.Version, s.Data)
}

// carried is the data in a session cookie, and its version.
func (w *world) carried(c *http.Cookie) string {
	w.t.Helper()
	s, err := tokens.OpenSession(c.Value, w.ring, time.Now())
	must(w.t, err)
	return fmt.Sprintf("%d %s", s.Version, s.Data)
}

func session(t *testing.T, a answer) option { return withCookies(a.cookie(t, "__Host-session")) }

func TestAPatchChangesTheData(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	a := w.patch(`{"theme":null,"cart":{"4711":2}}`, session(t, in)).want(t, 200, "")
	if got, want := a.data(t), `2 {"cart":{"4711":2}}`; got != want || a.header.Get("ETag") != `"2"` || w.carried(a.cookie(t, "__Host-session")) != want {
		t.Errorf("%s %v", a.body, a.header)
	}
	if len(a.cookies) != 1 || a.header.Get("Sealring-Expires") == "" {
		t.Errorf("%v", a.header)
	}
	w.get("/v1/session", session(t, a)).want(t, 200, "")
	if b := w.get("/v1/session", session(t, a)); b.data(t) != a.data(t) || len(b.cookies) != 0 {
		t.Errorf("%s %v", b.body, b.cookies)
	}
	same := w.patch(`{"cart":{"4711":2}}`, session(t, a)).want(t, 200, "")
	if same.data(t) != a.data(t) || len(same.cookies) != 0 {
		t.Errorf("nothing to change: %s, %v", same.body, same.cookies)
	}
}

// What no cookie can hold is the client's fault, at once or with what is there.
func TestDataThatNoCookieCanHoldIsRefused(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.BudgetProfiles = []string{"caddy"} })
	const lineSeparator = "\u2028" // which our JSON has as an escape, and no name may have one
	w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"a`+lineSeparator+`":1}}`).want(t, 400, "invalid-request")
	in := w.loginCookie()
	w.patch(`{"a`+lineSeparator+`":1}`, session(t, in)).want(t, 400, "invalid-request")
	w.patch(`{"a":"`+lineSeparator+`"}`, session(t, in)).want(t, 200, "")
	zeros := "[" + strings.Repeat("0,", 699) + "0]"
	some := w.patch(`{"b":`+zeros+`}`, session(t, in)).want(t, 200, "")
	w.patch(`{"c":`+zeros+`}`, session(t, some)).want(t, 400, "invalid-request")
}

func TestASessionWithoutDataCanBegin(t *testing.T) {
	w := newWorld(t)
	in := w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie"}`).want(t, 200, "")
	if got := w.get("/v1/session", session(t, in)).want(t, 200, ""); got.header.Get("ETag") != `"0"` {
		t.Errorf("%v", got.header)
	}
	a := w.patch(`{"a":1}`, session(t, in), header("If-Match", `"0"`)).want(t, 200, "")
	if a.data(t) != `1 {"a":1}` {
		t.Errorf("%s", a.body)
	}
}

// The version of the cookie that came along counts where If-Match says nothing.
func TestTwoPatchesOfOneField(t *testing.T) {
	w := newWorld(t)
	in := w.loginWith(`{"1":"A"}`)
	jar := session(t, in)
	w.patch(`{"2":"B"}`, jar).want(t, 200, "")
	third := w.patch(`{"3":"C"}`, jar).want(t, 200, "")
	if got, want := third.data(t), `3 {"1":"A","2":"B","3":"C"}`; got != want || w.carried(third.cookie(t, "__Host-session")) != want {
		t.Errorf("%s", third.body)
	}
	lost := w.patch(`{"2":"X"}`, jar).want(t, 412, "version-conflict")
	if !strings.Contains(lost.str(t, "detail"), `"2" was changed by version 2`) || len(lost.cookies) != 0 {
		t.Errorf("%s %v", lost.body, lost.cookies)
	}
	now := w.get("/v1/session", jar).want(t, 200, "")
	if now.data(t) != third.data(t) {
		t.Errorf("a refused patch has changed %s into %s", third.body, now.body)
	}
}

func TestIfMatchIsTheVersionThatTheCallerKnows(t *testing.T) {
	w := newWorld(t)
	jar := session(t, w.loginWith(`{"1":"A"}`))
	w.patch(`{"2":"B"}`, jar).want(t, 200, "")
	w.patch(`{"2":"C"}`, jar, header("If-Match", `"1"`)).want(t, 412, "version-conflict")
	w.patch(`{"2":"C"}`, jar, header("If-Match", `"3"`)).want(t, 412, "version-conflict") // which nobody has seen
	w.patch(`{"2":"C"}`, jar, header("If-Match", `"2"`)).want(t, 200, "")
	w.patch(`{"2":"D"}`, jar, header("If-Match", `"2"`)).want(t, 412, "version-conflict")
	w.patch(`{"2":"D"}`, jar, header("If-Match", `*`)).want(t, 200, "")
	for _, tag := range []string{`W/"4"`, `4`, `"+4"`, `"x"`, ``, `"4294967296"`, `"4", "3"`} {
		w.patch(`{"2":"E"}`, jar, header("If-Match", tag)).want(t, 400, "invalid-request")
	}
	if got := w.get("/v1/session", jar).data(t); got != `4 {"1":"A","2":"D"}` {
		t.Errorf("%s", got)
	}
}

func TestPatchRefuses(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	jar := session(t, in)
	calls := w.data.calls.Load()
	for name, body := range map[string]string{
		"nothing": "", "a list": "[]", "null": "null", "a text": `"x"`, "two values": "{}{}", "a name twice": `{"a":1,"a":2}`,
		"half a surrogate pair": `{"a":"\ud800"}`, "an escape in a name": `{"\u0061":1}`, "bad UTF-8": "{\"a\":\"\xff\"}",
		"9 levels": strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9), "too many values": `{"a":[` + strings.Repeat("1,", 1024) + `1]}`,
	} {
		if a := w.patch(body, jar); a.status != 400 || a.str(t, "code") != "invalid-request" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.do("PATCH", "/v1/session", "text/plain", `{}`, jar).want(t, 415, "unsupported-media-type")
	w.do("PATCH", "/v1/session", "application/json", `{}`, jar).want(t, 200, "")
	w.patch(`{"a":"`+strings.Repeat("x", 64<<10)+`"}`, jar).want(t, 413, "body-too-large")
	w.patch(`{}`).want(t, 401, "no-credential")
	w.patch(`{}`, withBearer(w.sign(nil))).want(t, 400, "invalid-request")
	w.patch(`{}`, jar, header("Sec-Fetch-Site", "cross-site")).want(t, 403, "cross-origin")
	if n := w.data.calls.Load() - calls; n != 1 { // of the one that was good
		t.Errorf("the store was asked %d times", n)
	}
	w.post("/v1/logout", "", jar).want(t, 204, "")
	w.patch(`{"a":1}`, jar).want(t, 401, "invalid-token")
}

// What does not fit into the cookie is not done.
func TestAPatchThatDoesNotFitChangesNothing(t *testing.T) {
	w := newWorld(t)
	jar := session(t, w.loginCookie())
	for _, n := range []int{3000, 7000, 40_000} {
		a := w.patch(`{"a":"`+strings.Repeat("x", n)+`"}`, jar).want(t, 413, "session-too-large")
		if len(a.cookies) != 0 || !strings.Contains(string(a.body), `"data"`) {
			t.Errorf("%s", a.body)
		}
	}
	if got := w.get("/v1/session", jar).data(t); got != `1 {"theme":"dark"}` {
		t.Errorf("%s", got)
	}
}

func TestPatchWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	jar := session(t, in)
	w.data.mute.Store(true)
	w.patch(`{"a":1}`, jar).want(t, 503, "unavailable") // and it was made
	w.data.mute.Store(false)
	if again := w.patch(`{"a":1}`, jar).want(t, 200, ""); again.data(t) != `2 {"a":1,"theme":"dark"}` {
		t.Errorf("repeated: %s", again.body)
	}
	w.data.fault.Store(true)
	if a := w.patch(`{"a":2}`, jar).want(t, 503, "unavailable"); len(a.cookies) != 0 || a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	// Everything else goes on with the data of the cookie.
	if a := w.get("/v1/session", jar).want(t, 200, ""); a.data(t) != `1 {"theme":"dark"}` {
		t.Errorf("%s", a.body)
	}
	if a := w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, ""); a.data(t) != `1 {"theme":"dark"}` || len(a.cookies) != 1 {
		t.Errorf("%s", a.body)
	}
}

// An older cookie does not undo a change, and one that is lost brings it back.
func TestARefreshHasTheDataAsItIsNow(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	want := w.patch(`{"a":1}`, session(t, in)).want(t, 200, "").data(t)
	for name, jar := range map[string]option{
		"with the cookie of the login": withCookies(in.cookies...),
		"without a session cookie":     withCookies(in.cookie(t, "__Secure-refresh")),
	} {
		a := w.post("/v1/refresh", "", jar).want(t, 200, "")
		if a.data(t) != want || w.carried(a.cookie(t, "__Host-session")) != want {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	page := w.get("/v1/refresh?return_to=/", withCookies(in.cookies...)).want(t, 303, "")
	if w.carried(page.cookie(t, "__Host-session")) != want {
		t.Error("by navigation: the data of the login")
	}
}

// A store that has lost what it acknowledged is not believed against a cookie.
func TestALostStoreLosesNoChange(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	second := w.patch(`{"a":1}`, session(t, in)).want(t, 200, "")
	before := w.data.keep(t, in, w)
	third := w.patch(`{"b":2}`, session(t, second)).want(t, 200, "")
	for name, head := range map[string][]byte{"rolled back": before, "emptied": nil} {
		w.data.put(t, in, w, head)
		if a := w.get("/v1/session", session(t, third)).want(t, 200, ""); a.data(t) != third.data(t) {
			t.Errorf("%s: %s", name, a.body)
		}
		w.patch(`{"a":3}`, session(t, third), header("If-Match", `"2"`)).want(t, 412, "version-conflict") // it may have changed since
		a := w.patch(`{"c":3}`, session(t, third)).want(t, 200, "")
		if a.data(t) != `4 {"a":1,"b":2,"c":3,"theme":"dark"}` {
			t.Errorf("%s, and changed: %s", name, a.body)
		}
	}
}

func (w *world) sid(t *testing.T, in answer) tokens.ID {
	t.Helper()
	return w.open(in.cookie(t, "__Secure-refresh").Value).SessionID
}

// keep and put are for the loss of what was written.
func (d *faultyData) keep(t *testing.T, in answer, w *world) []byte {
	t.Helper()
	got, err := d.Data.Read(t.Context(), w.sid(t, in), authsvc.DataHead)
	must(t, err)
	return got[0]
}

func (d *faultyData) put(t *testing.T, in answer, w *world, head []byte) {
	t.Helper()
	ok, err := d.Data.Write(t.Context(), w.sid(t, in), d.keep(t, in, w), map[string][]byte{authsvc.DataHead: head}, time.Now().Add(time.Hour))
	must(t, err)
	if !ok {
		t.Fatal("not written")
	}
}

// The store may be read and written by others: what is not of this session, or
// not sealed by the service, is not taken.
func TestDataOfAnotherPlaceIsNotTaken(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.StoredFields = []string{"cart", "wish"} })
	in, other := w.loginWith(`{"cart":[1],"wish":[2]}`), w.loginWith(`{"cart":[3],"admin":true}`)
	w.patch(`{"x":1}`, session(t, in)).want(t, 200, "")
	w.patch(`{"y":1}`, session(t, other)).want(t, 200, "")
	stolen := w.data.keep(t, other, w)
	if strings.Contains(string(stolen), "admin") {
		t.Error("the data is in the store as it is")
	}
	sid, mine := w.sid(t, in), w.data.keep(t, in, w)
	cells, err := w.data.Data.Read(t.Context(), sid, "cart", "wish")
	must(t, err)
	ok, err := w.data.Data.Write(t.Context(), sid, mine, map[string][]byte{authsvc.DataHead: mine, "cart": cells[1]}, time.Now().Add(time.Hour))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.get("/v1/session/data/cart", session(t, in)).want(t, 404, "not-found")
	w.get("/v1/session/data/wish", session(t, in)).want(t, 200, "")
	for _, head := range [][]byte{stolen, []byte("garbage"), []byte(in.cookie(t, "__Secure-refresh").Value)} {
		w.data.put(t, in, w, head)
		if a := w.get("/v1/session", session(t, in)).want(t, 200, ""); strings.Contains(string(a.body), "admin") || strings.Contains(string(a.body), `"y"`) {
			t.Errorf("%s", a.body)
		}
	}
}

// The keys of the store are rotated as those of refresh tokens are: what was
// sealed with an older one is sealed anew before that is gone.
func TestARefreshSealsTheDataWithTheKeyOfNow(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.StoredFields = []string{"cart"} })
	in := w.loginWith(`{"cart":["of the login"]}`)
	w.patch(`{"a":1}`, session(t, in)).want(t, 200, "")
	was, err := w.ring.Current(keys.RefreshToken, time.Now())
	must(t, err)
	ring, err := w.ring.Rotate(keys.RefreshToken, w.ring.Plan(), time.Now())
	must(t, err)
	w.ring = ring
	w.svc.SetRing(ring)
	w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, "")
	cells, err := w.data.Data.Read(t.Context(), w.sid(t, in), authsvc.DataHead, "cart")
	must(t, err)
	for i, cell := range cells {
		found, err := tokens.InspectUnverified(string(cell))
		must(t, err)
		if found.KeyID == was.ID {
			t.Errorf("cell %d is sealed with the old key", i)
		}
	}
	if a := w.get("/v1/session/data/cart", session(t, in)).want(t, 200, ""); strings.TrimSpace(string(a.body)) != `["of the login"]` {
		t.Errorf("%s", a.body)
	}
	if a := w.get("/v1/session", session(t, in)).want(t, 200, ""); !strings.HasPrefix(a.data(t), `2 {"a":1,`) {
		t.Errorf("%s", a.body)
	}
}

func TestAHundredPatchesAtOnceAllHold(t *testing.T) {
	w := newWorld(t)
	jar := session(t, w.loginWith(`{}`))
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if a := w.patch(fmt.Sprintf(`{"cart":{"%d":%d}}`, i, i), jar); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	var got struct {
		Data struct{ Cart map[string]int }
	}
	a := w.get("/v1/session", jar).want(t, 200, "")
	must(t, json.Unmarshal(a.body, &got))
	if len(got.Data.Cart) != 100 || !strings.HasPrefix(a.data(t), "101 ") {
		t.Errorf("%s", a.body)
	}
}

func TestAServiceWithoutAPlaceForDataSaysSo(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.Data = nil })
	in := w.loginCookie()
	w.patch(`{"a":1}`, session(t, in)).want(t, 404, "not-found")
	w.get("/v1/session/data/cart", session(t, in)).want(t, 404, "not-found")
	w.get("/v1/session", session(t, in)).want(t, 200, "")
	w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, "")
}

// A change that fits by itself, and whose session could then not be refreshed any
// more, is refused: the session would end with its access token.
func TestAChangeLeavesRoomForTheRefresh(t *testing.T) {
	w := newWorld(t)
	in := w.loginWith(`{}`)
	jar, fits, refused := in, 0, false
	for n := 0; !refused && n < 200; n++ {
		a := w.patch(fmt.Sprintf(`{"f%d":"%0100d"}`, n, n), session(t, jar))
		switch a.status {
		case 200:
			jar, fits = a, fits+1
		case 413:
			refused = true
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if !refused || fits < 3 {
		t.Fatalf("%d changes, refused: %v", fits, refused)
	}
	s, err := tokens.OpenSession(jar.cookie(t, "__Host-session").Value, w.ring, time.Now())
	must(t, err)
	c, err := tokens.Verify(s.Token, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(t, err)
	sid := c.SessionID
	old := w.sealed(func(r *tokens.Refresh) {
		r.SessionID, r.Cookie = sid, true
	})
	w.post("/v1/refresh", "", withCookies(jar.cookie(t, "__Host-session"), &http.Cookie{Name: "__Secure-refresh", Value: old})).want(t, 200, "")
}
