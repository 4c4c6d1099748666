package authsvc_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

func (w *world) leave(returnTo string, options ...option) answer {
	w.t.Helper()
	form := url.Values{}
	if returnTo != "" {
		form.Set("return_to", returnTo)
	}
	return w.formTo("/logout", form, options...)
}

func TestAFormLogsOut(t *testing.T) {
	w := newWorld(t, withShop)
	for asked, led := range map[string]string{
		"":               w.issuer + "/sessions-ended?reason=logout",
		shop + "/bye":    shop + "/bye",
		"//evil.example": w.issuer + "/sessions-ended?reason=logout",
	} {
		jar := withCookies(w.submit("ann", password, "").cookies...)
		for range 2 { // once more does no harm
			a := w.leave(asked, jar).leads(t, led)
			if !clearsCookies(a) || a.header.Get("Clear-Site-Data") == "" {
				t.Errorf("%v", a.header)
			}
		}
		w.get("/v1/session", jar).want(t, 401, "invalid-token")
		w.get("/v1/refresh", jar).leads(t, w.issuer+"/sessions-ended?reason=revoked")
	}
}

func TestWhoIsNotLoggedInIsLoggedOut(t *testing.T) {
	w := newWorld(t)
	for name, o := range map[string]option{
		"nobody": func(*http.Request) {}, "nonsense": withCookies(&http.Cookie{Name: "__Host-session", Value: "x"}),
		"an expired session": withCookies(w.sessionCookie(w.sign(expired))),
	} {
		if a := w.leave("", o).leads(t, w.issuer+"/sessions-ended?reason=logout"); !clearsCookies(a) {
			t.Errorf("%s: %v", name, a.header)
		}
	}
}

func TestALogoutThatCanNotBeKeptIsNone(t *testing.T) {
	w := newWorld(t)
	jar := withCookies(w.submit("ann", password, "").cookies...)
	w.log.fault.Store(true)
	a := w.leave("", jar).want(t, 503, "")
	if len(a.cookies) != 0 || a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	w.log.fault.Store(false)
	w.get("/v1/session", jar).want(t, 200, "")
}

func TestOtherSitesDoNotLogOut(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.AppOrigins = []string{shop} })
	jar := withCookies(w.submit("ann", password, "").cookies...)
	w.leave("", jar, header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")).want(t, 403, "").says(t, "This came from another site")
	w.get("/v1/session", jar).want(t, 200, "")
	w.leave("", jar, fromShop).leads(t, w.issuer+"/sessions-ended?reason=logout")
}
