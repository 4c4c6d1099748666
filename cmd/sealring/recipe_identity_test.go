package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

func (f *front) lets(t *testing.T) {
	for _, mode := range []string{"token", "cookie"} {
		c := mustLogIn(t, f.direct, sitePassword, mode)
		who := f.identity(t, c)
		s := f.get(t, "/a%2Fb/../c?d=e&f=%20", c.line()).told(t)
		s.is(t, who)
		if who.Get("X-Auth-Subject") == "" || who.Get("X-Auth-Session") == "" {
			t.Fatalf("the auth service says %v", who)
		}
	}
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	for _, around := range []string{"%s", "a=b; %s", "%s; a=b", "a=b;%s;c=d", "a=b; %s; c=d; e=f"} {
		s := f.get(t, "/", "Cookie: "+fmt.Sprintf(around, c.value)).told(t)
		got := strings.Join(s.values("Cookie"), ";")
		if strings.Contains(got, "__Host-session") {
			t.Errorf("the application gets the session's cookie: %.40q", got)
		}
		for _, other := range []string{"a=b", "c=d", "e=f"} {
			if strings.Contains(around, other) != strings.Contains(got, other) {
				t.Errorf("of %q the application gets %q", around, got)
			}
		}
	}
	if got := f.get(t, "/", mustLogIn(t, f.direct, sitePassword, "token").line(), "Cookie: a=b").told(t).values("Cookie"); !slices.Equal(got, []string{"a=b"}) {
		t.Errorf("the application gets the cookies %q", got)
	}
}

func (f *front) stripsWhatIsSpoofed(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	who := f.identity(t, c)
	var all []string
	for _, name := range []string{"X-Auth-Subject", "X-Auth-Session", "X-Auth-Scope"} {
		spellings := []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"),
			strings.Replace(name, "-", "_", 1), name[:6] + "_" + name[7:], strings.ToLower(strings.ReplaceAll(name, "-", "_"))}
		for _, spelling := range spellings {
			line := spelling + ": root"
			t.Run(spelling, func(t *testing.T) { f.get(t, "/", c.line(), line).told(t).is(t, who) })
			all = append(all, line, line)
		}
	}
	f.get(t, "/", append(all, c.line())...).told(t).is(t, who)
	// A client may name headers that are for the next hop alone: the identity is not among them.
	a := f.get(t, "/", c.line(), "Connection: close, X-Auth-Subject, X-Auth-Session, X-Auth-Scope, Authorization", "X-Auth-Subject: root")
	a.told(t).is(t, who)
	// Nor does the application hear who else is before it.
	a = f.get(t, "/", c.line(), "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher")
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": strings.TrimPrefix(f.url, "http://"), "X-Forwarded-Proto": "http"} {
		if got := a.told(t).values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("the application is told %s: %q, want %q", name, got, want)
		}
	}
	// Nor does the verdict hang on what the client says that it has asked for.
	f.untouched(t, func() {
		f.get(t, "/", "X-Original-URL: "+f.url+"/login", "X-Forwarded-Uri: /login", "X-Rewrite-URL: /login").want(t, http.StatusUnauthorized)
	})
}

// A service's own token has no session, and gets none from the client.
func (f *front) letsServices(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"demo"}, "client_secret": {f.secret}}
	resp, err := client.PostForm(f.url+"/v1/token", form)
	must(t, err)
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	must(t, json.NewDecoder(resp.Body).Decode(&got))
	c := credential{"Authorization", "Bearer " + got.Token}
	who := f.identity(t, c)
	if len(who.Values("X-Auth-Session")) != 0 {
		t.Fatalf("it has a session: %v", who)
	}
	f.get(t, "/", c.line()).told(t).is(t, who)
	f.get(t, "/", c.line(), "X-Auth-Session: "+tokens.NewID().String(), "X_Auth_Session: root").told(t).is(t, who)
}

// carriesMuch shows the longest token, which makes a verdict whose headers are
// longer than what proxies take of an answer by default.
func (f *front) carriesMuch(t *testing.T) {
	var token string
	for roles := 0; len(token) < tokens.MaxTokenLen-24; roles++ { // each role is 23 of it
		token = f.signed(t, func(c *tokens.Claims) {
			for i := range 200 {
				c.Scope = append(c.Scope, fmt.Sprintf("orders-%03d:write", i))
			}
			for i := range roles {
				c.Roles = append(c.Roles, fmt.Sprintf("the-buyer-%04d", i))
			}
		})
	}
	c := credential{"Authorization", "Bearer " + token}
	who := f.identity(t, c)
	if n := len(who.Get("X-Auth-Scope")) + len(who.Get("Authorization")); n < 11_000 {
		t.Fatalf("only %d bytes", n)
	}
	s := f.get(t, "/", c.line(), "X-Long: "+strings.Repeat("x", 1000)).told(t)
	s.is(t, who)
	if len(s.Header.Get("X-Long")) != 1000 {
		t.Errorf("X-Long has %d bytes", len(s.Header.Get("X-Long")))
	}
}
