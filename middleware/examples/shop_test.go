package examples

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

var (
	navigates = credential{"Sec-Fetch-Mode", "navigate"}
	elsewhere = credential{"Sec-Fetch-Site", "cross-site"}
)

// Refusals by scope and role are in the shop's own test.
func TestTheShopServesBrowsersAndPrograms(t *testing.T) {
	s := ready(t, "shop")
	shop := s.at["shop"]
	ask(t, "GET", shop+"/", nobody, "").want(t, http.StatusOK, "hello\n")
	ask(t, "GET", shop+"/cart", nobody, "").want(t, http.StatusUnauthorized, `"no-credential"`)
	led := ask(t, "GET", shop+"/cart", nobody, "", navigates)
	led.want(t, http.StatusSeeOther, "")
	if to, want := led.header.Get("Location"), s.Issuer+"/login?return_to="+url.QueryEscape(shop+"/cart"); to != want {
		t.Errorf("a browser is led to %s, want %s", to, want)
	}
	ann := s.browser(t)
	for _, who := range []session{ann, s.client(t)} {
		ask(t, "GET", shop+"/cart", who.credential, "").want(t, http.StatusOK, "cart of "+ann.subject)
		ask(t, "POST", shop+"/pay", who.credential, "{}").want(t, http.StatusOK, "paid")
	}
	ask(t, "POST", shop+"/pay", ann.credential, "{}", elsewhere).want(t, http.StatusForbidden, `"cross-origin"`)
	service := ask(t, "POST", shop+"/pay", s.itself(t).credential, "{}") // which never logs in
	service.want(t, http.StatusUnauthorized, "login-needed")
	if got, want := service.header.Get("WWW-Authenticate"), `error="insufficient_user_authentication", max_age="300"`; !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	s.logout(t, ann)
	took := eventually(t, "the shop refuses what was logged out", func() bool {
		return ask(t, "GET", shop+"/cart", ann.credential, "").status == http.StatusUnauthorized
	})
	t.Logf("refused %v after the logout", took)
}

// The probes tell a service that does not know yet whom to trust from one that has
// only lost the auth service since.
func TestAServiceIsReadyOnceItHasKeysAndStaysSo(t *testing.T) {
	s := open(t, "shop")
	shop, ann := s.at["shop"], s.client(t)
	must(t, s.dev.Process.Signal(syscall.SIGSTOP))
	s.run(t, "shop")
	ask(t, "GET", shop+"/readyz", nobody, "").want(t, http.StatusServiceUnavailable, "nothing is known")
	ask(t, "GET", shop+"/cart", ann.credential, "").want(t, http.StatusServiceUnavailable, `"unavailable"`)

	must(t, s.dev.Process.Signal(syscall.SIGCONT))
	says := func(live string) func() bool {
		return func() bool { return strings.Contains(ask(t, "GET", shop+"/statusz", nobody, "").body, live) }
	}
	eventually(t, "it is ready", func() bool { return ask(t, "GET", shop+"/readyz", nobody, "").status == http.StatusOK })
	eventually(t, "it follows the feed", says(`"Live":true`))
	ask(t, "GET", shop+"/cart", ann.credential, "").want(t, http.StatusOK, "cart of "+ann.subject)

	must(t, s.dev.Process.Kill())
	eventually(t, "it notices that the feed is gone", says(`"Live":false`))
	ask(t, "GET", shop+"/readyz", nobody, "").want(t, http.StatusOK, "ready")
	ask(t, "GET", shop+"/cart", ann.credential, "").want(t, http.StatusOK, "cart of "+ann.subject)
}
