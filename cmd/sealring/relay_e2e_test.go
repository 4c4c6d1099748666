package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// relay starts a relay of upstream and returns it and its URL.
func (s *site) relay(t *testing.T, upstream string) (*process, string) {
	t.Helper()
	public, admin := freePort(t), freePort(t)
	p := start(s.t, []string{"SEALRING_CLIENT_ID=relay", "SEALRING_CLIENT_SECRET=" + s.relaySecret(t)},
		"relay", "--upstream", upstream, "--issuer", s.issuer, "--listen", "127.0.0.1:"+public, "--admin-listen", "127.0.0.1:"+admin)
	within(t, patience, http.StatusOK, "http://127.0.0.1:"+admin+"/readyz", credential{})
	return p, "http://127.0.0.1:" + public
}

// relaySecret makes the relays' client anew; one name is enough for them.
func (s *site) relaySecret(t *testing.T) string {
	t.Helper()
	if s.relayClient == "" {
		var made clientSecretView
		out := command(t, "", "clients", "add", "relay", "--scope", "feed", "-o", "json", "--data", s.data)
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			t.Fatal(err)
		}
		s.relayClient = made.Secret
	}
	return s.relayClient
}

// A revocation goes through two relays; what they know outlives the issuer,
// also for who starts meanwhile; and all go on once it is back.
func TestRelaysServeOnWhatTheAuthServiceSays(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	first, url := s.relay(t, s.issuer)
	second, url := s.relay(t, url)
	s.feed = url
	s.startDemo(t)
	s.demoReady(t)

	revoked := mustLogIn(t, s.direct, sitePassword, "token")
	good := mustLogIn(t, s.direct, sitePassword, "cookie")
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", revoked)
	wantCall(t, http.StatusNoContent, http.MethodPost, s.direct+"/v1/logout", revoked)
	within(t, time.Second, http.StatusUnauthorized, s.demoURL+"/", revoked)

	out := command(t, "", "keys", "rotate", "--use", "sig", "--wait", "--config", s.config, "--timeout", patience.String())
	if !strings.Contains(out, "sig") {
		t.Errorf("rotating: %s", out)
	}
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", good)
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", mustLogIn(t, s.direct, sitePassword, "token"))

	s.auth.kill()
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", good)
	fresh := *s
	fresh.startDemo(t)
	fresh.demoReady(t)
	wantCall(t, http.StatusOK, http.MethodGet, fresh.demoURL+"/", good)
	wantCall(t, http.StatusUnauthorized, http.MethodGet, fresh.demoURL+"/", revoked)

	s.startAuth(t)
	wantCall(t, http.StatusNoContent, http.MethodPost, s.direct+"/v1/logout", good)
	for _, demo := range []string{s.demoURL, fresh.demoURL} {
		within(t, patience, http.StatusUnauthorized, demo+"/", good)
	}
	for _, p := range []*process{second, first} {
		if code := p.interrupt(t); code != 0 {
			t.Errorf("a relay ends with %d:\n%s", code, p.stderr.String())
		}
	}
}

func TestARelayThatCanNotWorkSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "upstream is not set"},
		{[]string{"--upstream", "http://auth.example.com"}, "upstream must be an https URL"},
		{[]string{"--upstream", "https://auth.example.com"}, "client_id and client_secret are not both set"},
		{[]string{"--upstream", "https://auth.example.com/auth"}, "issuer has the path"},
		{[]string{"--upstream", "http://relay.example.com", "--issuer", "https://auth.example.com", "--client-id", "x"}, "upstream must be an https URL"},
	} {
		var out, errs strings.Builder
		env := []string{}
		if len(tc.args) > 4 {
			env = append(env, "SEALRING_CLIENT_SECRET=x")
		}
		args := append([]string{"relay", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, tc.args...)
		if code := run(t.Context(), args, env, strings.NewReader(""), &out, &errs); code != exitFailed || !strings.Contains(errs.String(), tc.says) {
			t.Errorf("%v: ends with %d: %s", tc.args, code, errs.String())
		}
	}
}
