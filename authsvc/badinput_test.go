package authsvc_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// unchanged fails when the log or the sessions were written to.
func (w *world) unchanged(t *testing.T, f func()) {
	t.Helper()
	before := w.logEnd()
	appends, presents := w.log.appends.Load(), w.store.presents.Load()
	f()
	after := w.logEnd()
	if before != after || w.log.appends.Load() != appends || w.store.presents.Load() != presents {
		t.Errorf("the store was changed: %v → %v", before, after)
	}
}

func TestBadCredentials(t *testing.T) {
	w := newWorld(t)
	in, jar := w.login(), w.loginCookie()
	other, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	good := in.str(t, "access_token")
	foreign := func() string {
		ring := w.ring
		w.ring = other
		defer func() { w.ring = ring }()
		return w.sign(nil)
	}()
	for _, tc := range []struct {
		name   string
		with   []option
		status int
		code   string
	}{
		{"no credential", nil, 401, "no-credential"},
		{"another scheme", []option{withBasic("orders", w.secret)}, 401, "no-credential"},
		{"garbage", []option{withBearer("garbage")}, 401, "invalid-token"},
		{"a bearer without a token", []option{header("Authorization", "Bearer ")}, 400, "invalid-request"},
		{"1 MB of dots", []option{withBearer(strings.Repeat(".", 1<<20))}, 401, "invalid-token"},
		{"1 MB of dots in a cookie", []option{header("Cookie", "__Host-session="+strings.Repeat(".", 1<<20))}, 401, "invalid-token"},
		{"a bearer and a cookie", []option{withBearer(good), withCookies(jar.cookie(t, "__Host-session"))}, 400, "invalid-request"},
		{"two bearers", []option{withBearer(good), withBearer(good)}, 400, "invalid-request"},
		{"two cookies", []option{withCookies(jar.cookie(t, "__Host-session"), jar.cookie(t, "__Host-session"))}, 400, "invalid-request"},
		{"another audience", []option{withBearer(w.sign(func(c *tokens.Claims) { c.Audience = []string{"mars"} }))}, 401, "invalid-token"},
		{"another issuer", []option{withBearer(w.sign(func(c *tokens.Claims) { c.Issuer = "https://evil.example" }))}, 401, "invalid-token"},
		{"another key", []option{withBearer(foreign)}, 401, "invalid-token"},
		{"expired", []option{withBearer(w.sign(func(c *tokens.Claims) { c.IssuedAt, c.AuthTime, c.ExpiresAt = past, past, past.Add(time.Minute) }))}, 401, "invalid-token"},
		{"a refresh token as access token", []option{withBearer(in.str(t, "refresh_token"))}, 401, "invalid-token"},
		{"a cookie as bearer", []option{withBearer(jar.cookie(t, "__Host-session").Value)}, 401, "invalid-token"},
		{"a token as cookie", []option{withCookies(&http.Cookie{Name: "__Host-session", Value: good})}, 401, "invalid-token"},
		{"a refresh token as cookie", []option{withCookies(&http.Cookie{Name: "__Host-session", Value: in.str(t, "refresh_token")})}, 401, "invalid-token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.unchanged(t, func() {
				invalid := w.get("/v1/session", append(tc.with, header("X-Request-Id", "same"))...).want(t, tc.status, tc.code)
				w.get("/v1/verify", tc.with...).want(t, tc.status, tc.code)
				w.post("/v1/logout/all", "", tc.with...).want(t, tc.status, tc.code)
				if tc.name != "expired" { // which is good enough to leave
					w.post("/v1/logout", "", tc.with...).want(t, tc.status, tc.code)
				}
				if tc.status == 401 && invalid.header.Get("WWW-Authenticate") == "" {
					t.Error("401 without a challenge")
				}
				if tc.code == "invalid-token" {
					one := w.get("/v1/session", withBearer("x"), header("X-Request-Id", "same"))
					if string(one.body) != string(invalid.body) || one.header.Get("WWW-Authenticate") != invalid.header.Get("WWW-Authenticate") {
						t.Errorf("not the one answer for bad tokens: %s", invalid.body)
					}
				}
			})
		})
	}
}

func TestBadBodies(t *testing.T) {
	w := newWorld(t)
	cookies := w.loginCookie().cookies
	deep := strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9)
	login := func(members string) string {
		return `{"username":"ann","password":"` + password + `"` + members + `}`
	}
	for _, tc := range []struct {
		name, path, body string
		status           int
		code, detail     string
	}{
		{"no body", "/v1/login", "", 400, "invalid-request", "a JSON body is required"},
		{"over 8 KiB", "/v1/login", login(`,"audience":["` + strings.Repeat("x", 8<<10) + `"]`), 413, "body-too-large", ""},
		{"1 MB of dots", "/v1/refresh", strings.Repeat(".", 1<<20), 413, "body-too-large", ""},
		{"malformed JSON", "/v1/login", `{"username":`, 400, "invalid-request", "malformed JSON: unexpected end of JSON input"},
		{"something after the value", "/v1/login", login("") + "{}", 400, "invalid-request", "malformed JSON: invalid character '{' after top-level value"},
		{"no object", "/v1/login", `["ann"]`, 400, "invalid-request", "the body is not a JSON object"},
		{"null", "/v1/login", `null`, 400, "invalid-request", "the body is not a JSON object"},
		{"no UTF-8", "/v1/login", "{\"username\":\"\xff\"}", 400, "invalid-request", "the body is not UTF-8"},
		{"an unknown field", "/v1/login", login(`,"admin":true`), 400, "invalid-request", `unknown field "admin"`},
		{"a name in another case", "/v1/login", login(`,"Mode":"cookie"`), 400, "invalid-request", `unknown field "Mode"`},
		{"a name twice", "/v1/login", login(`,"username":"bob"`), 400, "invalid-request", `field "username" is there twice`},
		{"a name twice, escaped", "/v1/login", login(`,"\u0075sername":"bob"`), 400, "invalid-request", `field "username" is there twice`},
		{"a name twice in data", "/v1/login", login(`,"mode":"cookie","data":{"a":1,"a":2}`), 400, "invalid-request", `field "a" is there twice`},
		{"a wrong type", "/v1/login", `{"username":7,"password":"x"}`, 400, "invalid-request", `field "username" has the wrong type`},
		{"null for a text", "/v1/login", `{"username":null,"password":"x"}`, 400, "invalid-request", `field "username" has the wrong type`},
		{"a field missing", "/v1/login", `{"username":"ann"}`, 400, "invalid-request", `field "password" is missing`},
		{"an empty field", "/v1/login", `{"username":"","password":"x"}`, 400, "invalid-request", `field "username" is empty`},
		{"a long field", "/v1/login", `{"username":"` + strings.Repeat("x", 257) + `","password":"x"}`, 400, "invalid-request", `field "username" is longer than 256 characters`},
		{"an unknown mode", "/v1/login", login(`,"mode":"magic"`), 400, "invalid-request", `field "mode" is neither token nor cookie`},
		{"data in mode token", "/v1/login", login(`,"data":{}`), 400, "invalid-request", `field "data" is for mode cookie only: it lives in the session cookie`},
		{"data that is no object", "/v1/login", login(`,"mode":"cookie","data":[]`), 400, "invalid-request", `field "data" has the wrong type`},
		{"data that is deep", "/v1/login", login(`,"mode":"cookie","data":` + deep), 400, "invalid-request", "nested deeper than 8"},
		{"no audience", "/v1/login", login(`,"audience":[]`), 400, "invalid-request", `field "audience" is empty`},
		{"an audience twice", "/v1/login", login(`,"audience":["orders","orders"]`), 400, "invalid-request", `field "audience" names one twice`},
		{"an empty refresh token", "/v1/refresh", `{"refresh_token":""}`, 400, "invalid-request", `field "refresh_token" is empty`},
		{"no refresh token", "/v1/refresh", "", 401, "no-credential", ""},
		{"a huge refresh token", "/v1/logout", `{"refresh_token":"` + strings.Repeat("x", 4097) + `"}`, 400, "invalid-request", `field "refresh_token" is longer than 4096 characters`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.unchanged(t, func() {
				a := w.post(tc.path, tc.body).want(t, tc.status, tc.code)
				if tc.detail != "" && a.str(t, "detail") != tc.detail {
					t.Errorf("detail %q, want %q", a.str(t, "detail"), tc.detail)
				}
				if len(a.cookies) != 0 {
					t.Errorf("cookies %v", a.cookies)
				}
			})
		})
	}
	w.unchanged(t, func() {
		for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "nonsense/", "-"} {
			a := w.do("POST", "/v1/login", strings.Trim(mediaType, "-"), `{"username":"ann","password":"x"}`)
			a.want(t, 415, "unsupported-media-type")
		}
		w.post("/v1/refresh", `{"refresh_token":"x"}`, withCookies(cookies...)).want(t, 400, "invalid-request")
		w.post("/v1/refresh", "", header("Cookie", "__Secure-refresh=a; __Secure-refresh=b")).want(t, 400, "invalid-request")
		w.post("/v1/logout", `{"refresh_token":"x"}`, withCookies(cookies...)).want(t, 400, "invalid-request")
		w.post("/v1/logout/all", strings.Repeat(" ", 8<<10+1), withBearer("x")).want(t, 413, "body-too-large")
	})
	w.do("POST", "/v1/login", "application/json; charset=utf-8", `{"username":"ann","password":"`+password+`"}`).want(t, 200, "")
}

// Whatever JSON comes, the answer is one of the documented ones, and a body
// that the document forbids is refused (the client checks both).
func TestAnyLoginBody(t *testing.T) {
	w := newWorld(t)
	value := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), toAny), rapid.Map(rapid.IntRange(-9, 9), toAny), rapid.Map(rapid.StringN(0, 5, 20), toAny),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"orders", "stock", "mars", ""}), 0, 3), toAny),
		rapid.Map(rapid.MapOfN(rapid.StringN(0, 3, 9), rapid.IntRange(0, 9), 0, 3), toAny),
		rapid.Map(rapid.SampledFrom([]string{"ann", password, "cookie", "token"}), toAny),
	)
	name := rapid.OneOf(rapid.SampledFrom([]string{"username", "password", "mode", "audience", "data"}), rapid.StringN(0, 5, 20))
	rapid.Check(t, func(rt *rapid.T) {
		body, err := json.Marshal(rapid.MapOfN(name, value, 0, 5).Draw(rt, "body"))
		if err != nil {
			rt.Fatal(err)
		}
		if a := w.post("/v1/login", string(body)); a.status >= 500 {
			rt.Fatalf("%s → %d %s", body, a.status, a.body)
		}
	})
}

func toAny[T any](v T) any { return v }
