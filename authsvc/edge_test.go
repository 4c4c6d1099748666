package authsvc_test

import (
	"regexp"
	"strings"
	"testing"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", w.issuer + "/", 404, ""},
		{"GET", w.issuer + "/v1/login/", 404, ""},
		{"GET", w.issuer + "/v1//login", 404, ""},
		{"POST", w.issuer + "/readyz", 404, ""},
		{"GET", w.issuer + "/admin/v1/keys", 404, ""},
		{"GET", w.admin + "/v1/session", 404, ""},
		{"GET", w.issuer + "/v1/login", 405, "POST"},
		{"DELETE", w.issuer + "/v1/session", 405, "GET, PATCH"},
		{"PUT", w.issuer + "/v1/token", 405, "POST"},
		{"DELETE", w.admin + "/livez", 405, "GET"},
	} {
		t.Run(tc.method+" "+strings.TrimPrefix(tc.target, w.issuer), func(t *testing.T) {
			a := w.do(tc.method, tc.target, "", "")
			if a.status != tc.status || a.header.Get("Allow") != tc.allow {
				t.Errorf("%d %v %s", a.status, a.header, a.body)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name, given string
		taken       bool
	}{
		{"a plain id is taken", "Req-1.2_3", true},
		{"64 characters are", strings.Repeat("x", 64), true},
		{"65 are not", strings.Repeat("x", 65), false},
		{"nothing is not", "", false},
		{"a log line is not", `x","level":"ERROR`, false},
		{"other letters are not", "żółw", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.get("/nothing", header("X-Request-Id", tc.given))
			id := a.header.Get("X-Request-Id")
			if (id == tc.given) != tc.taken || a.str(t, "request_id") != id || !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(id) {
				t.Errorf("%q became %q in %s", tc.given, id, a.body)
			}
			if !strings.Contains(w.logged.String(), `"request_id":"`+id+`"`) {
				t.Error("the log does not have it")
			}
		})
	}
	a := w.get("/v1/session", header("X-Request-Id", "one"), header("X-Request-Id", "two"))
	if id := a.header.Get("X-Request-Id"); id == "one" || id == "two" {
		t.Errorf("of two ids it took %q", id)
	}
	if a.str(t, "request_id") != a.header.Get("X-Request-Id") {
		t.Errorf("the guard's answer has another id: %s", a.body)
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	for _, a := range []answer{w.get("/nothing"), w.login(), w.get("/v1/session"), w.get("/.well-known/jwks.json"), w.get(w.admin + "/livez")} {
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	for name, a := range map[string]answer{
		"login": w.login(), "cookies": w.loginCookie(), "refresh": w.refresh(w.login().str(t, "refresh_token")),
		"verify": w.get("/v1/verify", withBearer(w.login().str(t, "access_token"))), "a refusal": w.get("/v1/session"),
	} {
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	jar := withCookies(w.loginCookie().cookies...)
	login := `{"username":"ann","password":"` + password + `","mode":"cookie"}`
	evil := []option{header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")}
	for _, o := range evil {
		w.unchanged(t, func() {
			w.post("/v1/login", login, o).want(t, 403, "cross-origin")
			w.post("/v1/refresh", "", jar, o).want(t, 403, "cross-origin")
			w.post("/v1/logout", "", jar, o).want(t, 403, "cross-origin")
			w.post("/v1/logout/all", "", jar, o).want(t, 403, "cross-origin")
		})
	}
	w.post("/v1/refresh", "", jar, header("Sec-Fetch-Site", "same-origin")).want(t, 200, "")
	w.post("/v1/refresh", "", jar, header("Origin", w.issuer), header("Sec-Fetch-Site", "cross-site")).want(t, 200, "") // the issuer itself, behind a proxy that changes Host
	w.post("/v1/logout", "", jar, header("Origin", w.issuer)).want(t, 204, "")
}

func TestAPanicIsOneProblemAndOneLogLine(t *testing.T) {
	w := newWorld(t)
	w.users.panic.Store(true)
	a := w.post("/v1/login", `{"username":"ann","password":"x"}`).want(t, 500, "internal")
	if strings.Contains(string(a.body), "user file") {
		t.Errorf("the answer tells what panicked: %s", a.body)
	}
	if n := strings.Count(w.logged.String(), "a user file that panics"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	w.users.panic.Store(false)
	w.login()
}

func TestNoSecretIsLogged(t *testing.T) {
	w := newWorld(t)
	in, jar := w.login(), w.loginCookie()
	w.refresh(in.str(t, "refresh_token"))
	w.get("/v1/session", withBearer(in.str(t, "refresh_token")))
	w.post("/v1/login", `{"username":"ann","password":"hunter2 hunter2"}`)
	w.get("/v1/feed", withBasic("orders", "not the secret"))
	w.get(w.admin+"/admin/v1/keys", withBearer("not the admin token"))
	for _, secret := range []string{in.str(t, "access_token"), in.str(t, "refresh_token"), jar.cookie(t, "__Host-session").Value,
		"hunter2", "not the secret", "not the admin token", adminToken, w.secret, password} {
		if strings.Contains(w.logged.String(), secret) {
			t.Errorf("logged: %s", secret)
		}
	}
}
