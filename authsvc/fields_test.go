package authsvc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

func withCart(c *authsvc.Config) { c.StoredFields = []string{"cart"} }

// field asks for a stored field.
func (w *world) field(o option) string {
	w.t.Helper()
	a := w.get("/v1/session/data/cart", o)
	if a.status != 200 {
		return fmt.Sprint(a.status)
	}
	return a.header.Get("ETag") + " " + strings.TrimSpace(string(a.body))
}

func TestAStoredFieldLeavesAPointerInTheCookie(t *testing.T) {
	w := newWorld(t, withCart)
	big := strings.Repeat("x", 40_000)
	in := w.loginWith(`{"theme":"dark"}`)
	if got := w.field(session(t, in)); got != "404" {
		t.Errorf("before there is one: %s", got)
	}
	if w.data.calls.Load() != 1 { // the look-up of the field
		t.Errorf("the store was asked %d times", w.data.calls.Load())
	}
	a := w.patch(`{"cart":{"1":"`+big+`"}}`, session(t, in)).want(t, 200, "")
	if got := a.data(t); got != `2 {"cart":{"bytes":40008,"version":2},"theme":"dark"}` {
		t.Errorf("%s", got)
	}
	if n := len(a.cookie(t, "__Host-session").Value); n > 1000 {
		t.Errorf("a cookie of %d bytes", n)
	}
	if got := w.field(session(t, a)); got != `"2" {"1":"`+big+`"}` {
		t.Errorf("%d characters", len(got))
	}
	// changed by parts, as any other
	b := w.patch(`{"cart":{"1":null,"2":"B"},"theme":"light"}`, session(t, a)).want(t, 200, "")
	if got := b.data(t); got != `3 {"cart":{"bytes":9,"version":3},"theme":"light"}` || w.field(session(t, b)) != `"3" {"2":"B"}` {
		t.Errorf("%s, %s", got, w.field(session(t, b)))
	}
	c := w.patch(`{"theme":"dark"}`, session(t, b)).want(t, 200, "")
	if got := c.data(t); got != `4 {"cart":{"bytes":9,"version":3},"theme":"dark"}` || w.field(session(t, c)) != `"3" {"2":"B"}` {
		t.Errorf("%s, %s", got, w.field(session(t, c)))
	}
	d := w.patch(`{"cart":null}`, session(t, c)).want(t, 200, "")
	if got := d.data(t); got != `5 {"theme":"dark"}` || w.field(session(t, d)) != "404" {
		t.Errorf("%s, %s", got, w.field(session(t, d)))
	}
}

func TestALoginPutsAStoredFieldAway(t *testing.T) {
	w := newWorld(t, withCart)
	in := w.loginWith(`{ "cart": [1.50, "<&>"], "theme":"dark" }`)
	if got := in.data(t); got != `1 {"cart":{"bytes":11,"version":1},"theme":"dark"}` {
		t.Errorf("%s", got)
	}
	if got := w.field(session(t, in)); got != `"1" [1.5,"<&>"]` {
		t.Errorf("%s", got)
	}
	other := w.loginWith(`{"cart":[2]}`)
	if w.field(session(t, other)) != `"1" [2]` || w.field(session(t, in)) != `"1" [1.5,"<&>"]` {
		t.Error("two sessions share it")
	}
	next := w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, "")
	if got := w.field(session(t, next)); next.data(t) != in.data(t) || got != `"1" [1.5,"<&>"]` {
		t.Errorf("refreshed: %s, %s", next.data(t), got)
	}
	w.data.fault.Store(true)
	w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"cart":[1]}}`).want(t, 503, "unavailable")
	w.loginWith(`{"theme":"dark"}`) // which needs no store
	w.get("/v1/session/data/cart", session(t, in)).want(t, 503, "unavailable")
}

func TestPartsOfAStoredFieldHaveVersionsToo(t *testing.T) {
	w := newWorld(t, withCart)
	jar := session(t, w.loginWith(`{"cart":{"1":"A"}}`))
	w.patch(`{"cart":{"2":"B"}}`, jar).want(t, 200, "")
	w.patch(`{"cart":{"3":"C"}}`, jar).want(t, 200, "")
	w.patch(`{"cart":{"2":"X"}}`, jar).want(t, 412, "version-conflict")
	if got := w.field(jar); got != `"3" {"1":"A","2":"B","3":"C"}` {
		t.Errorf("%s", got)
	}
	w.patch(`{"cart":{"2":"B"}}`, jar).want(t, 200, "") // as it is
	w.patch(`{"cart":"`+strings.Repeat("x", 65_000)+`"}`, jar, header("If-Match", "*")).want(t, 200, "")
}

func TestAStoredFieldHasItsBounds(t *testing.T) {
	w := newWorld(t, withCart)
	jar := session(t, w.loginWith(`{"cart":{}}`))
	part := func(name string) string { return `{"cart":{"` + name + `":"` + strings.Repeat("x", 40_000) + `"}}` }
	w.patch(part("a"), jar).want(t, 200, "")
	a := w.patch(part("b"), jar).want(t, 413, "session-too-large").json(t)
	if a["bytes"] != 80_015. || a["limit"] != 65_536. || a["detail"] != `field "cart" is 80015 bytes, the limit is 65536 (sealring)` {
		t.Errorf("%v", a)
	}
	for _, o := range []option{withBearer(w.sign(nil)), header("X", "y")} {
		if a := w.get("/v1/session/data/cart", o); a.status != 400 && a.status != 401 {
			t.Errorf("%d", a.status)
		}
	}
	w.get("/v1/session/data/theme", jar).want(t, 404, "not-found")
	w.get("/v1/session/data/", jar).want(t, 404, "not-found")
	w.get("/v1/session/data/"+strings.Repeat("x", 65), jar).want(t, 404, "not-found")
}

// A field can become a stored one, and cease to be, without a session's end.
func TestTheFieldsThatAreStoredMayChange(t *testing.T) {
	fixed := func(c *authsvc.Config) { c.Issuer = "http://auth.test" } // whatever port it has
	w := newWorld(t, fixed)
	in := w.loginWith(`{"cart":{"1":"A"}}`)
	w.stop()
	w.start(fixed, withCart)
	stored := w.patch(`{"cart":{"2":"B"}}`, session(t, in)).want(t, 200, "")
	if got := w.field(session(t, in)); got != `"2" {"1":"A","2":"B"}` || !strings.Contains(stored.data(t), `"bytes":17`) {
		t.Errorf("%s, %s", got, stored.data(t))
	}
	w.stop()
	w.start(fixed)
	if got := w.field(session(t, stored)); got != `"2" {"1":"A","2":"B"}` {
		t.Errorf("%s", got)
	}
	back := w.patch(`{"cart":{"3":"C"}}`, session(t, stored)).want(t, 200, "")
	if got := back.data(t); got != `3 {"cart":{"1":"A","2":"B","3":"C"}}` || w.field(session(t, back)) != "404" {
		t.Errorf("%s, %s", got, w.field(session(t, back)))
	}
}
