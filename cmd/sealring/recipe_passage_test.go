package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (f *front) carriesBodies(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "token")
	body := strings.Repeat("0123456789abcdef", 4096)
	a, _, _ := f.send(t, http.MethodPut, "/a%2Fb?c=%20&d=e", body, c.line(), "Content-Type: text/plain")
	if s := a.told(t); s.Method != http.MethodPut || s.URI != "/a%2Fb?c=%20&d=e" || s.Body != body {
		t.Errorf("%s %s with %d bytes", s.Method, s.URI, len(s.Body))
	}
}

func (f *front) upgrades(t *testing.T) {
	handshake := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	f.untouched(t, func() { f.get(t, "/socket", handshake...).want(t, http.StatusUnauthorized) })
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	h2c := []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"}
	if s := f.get(t, "/socket", append(h2c, c.line())...).told(t); len(s.values("Upgrade")) != 0 {
		t.Errorf("the application is asked for a connection that nobody looks into: %v", s.Header)
	}
	a, conn, r := f.send(t, http.MethodGet, "/socket", "", append(handshake, c.line())...)
	a.want(t, http.StatusSwitchingProtocols)
	_, err := fmt.Fprintln(conn, "hello")
	must(t, err)
	if line, err := r.ReadString('\n'); err != nil || line != f.identity(t, c).Get("X-Auth-Subject")+" says hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func (f *front) leavesTheApplicationItsOwn(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "token")
	for path, status := range map[string]int{"/broken": 500, "/private": 401} {
		if a := f.get(t, path, c.line(), "Accept: text/html", "Sec-Fetch-Mode: navigate").want(t, status); !strings.HasPrefix(a.body, "the application's own") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

var navigates = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate"}

func (f *front) leadsToTheLogin(t *testing.T) {
	there := f.url + "/cart?a=b&c=d"
	to := func(page string) string { return f.url + page + "?return_to=" + url.QueryEscape(there) }
	wantWay := func(way string, headers ...string) {
		t.Helper()
		f.untouched(t, func() {
			a := f.get(t, "/cart?a=b&c=d", append(headers, navigates...)...).want(t, http.StatusSeeOther)
			if got := a.Header.Get("Location"); got != way {
				t.Errorf("leads to %q, want %q", got, way)
			}
		})
	}
	wantWay(to("/login"))
	wantWay(to("/login"), "Cookie: __Host-session=x")
	wantWay(to("/login"), "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Uri: /", "X-Original-URL: https://evil.example/")
	wantWay(to("/v1/refresh"), f.expiredCookie(t).line())
	if a, _, _ := f.send(t, http.MethodPost, "/cart", "a=b", navigates...); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != f.url+"/login" {
		t.Errorf("what was posted: %s, %v", a.Status, a.Header) // its body is lost: no use to come back to it
	}

	wantCall(t, http.StatusOK, http.MethodGet, to("/login"), credential{})
	wantCall(t, http.StatusOK, http.MethodGet, f.url+"/session.js", credential{})
	resp := submitForm(t, f.url+"/login", url.Values{"username": {"ann"}, "password": {sitePassword}, "return_to": {there}}, credential{})
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != there {
		t.Fatalf("%s to %q", resp.Status, resp.Header.Get("Location"))
	}
	for _, c := range resp.Cookies() {
		if c.Name == "__Host-session" {
			f.get(t, "/cart?a=b&c=d", append(navigates, "Cookie: "+c.Name+"="+c.Value)...).told(t)
		}
	}
}

// streamsTheFeed: the issuer's URL is the proxy's, for verifiers too.
func (f *front) streamsTheFeed(t *testing.T) {
	f.startDemo(t)
	f.demoReady(t)
	c := mustLogIn(t, f.direct, sitePassword, "token")
	wantCall(t, http.StatusOK, http.MethodGet, f.demoURL+"/", c)
	wantCall(t, http.StatusNoContent, http.MethodPost, f.direct+"/v1/logout", c)
	within(t, patience, http.StatusUnauthorized, f.demoURL+"/", c)
	f.demo.interrupt(t)
}
