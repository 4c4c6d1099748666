package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

func mustWrite(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEverySettingIsDeclaredInFull(t *testing.T) {
	var s settings
	seen := make(map[string]bool)
	for _, d := range s.declared() {
		for _, name := range append(d.envs(), d.key(), "--"+d.flag()) {
			if seen[name] {
				t.Errorf("%s is declared twice", name)
			}
			seen[name] = true
		}
		if d.help == "" || d.kind == "" || strings.ToLower(d.name) != d.name {
			t.Errorf("%s: name, type or help is not in form", d.name)
		}
		if d.def != "" && d.parse(d.def) != nil {
			t.Errorf("%s: its own default %q is refused", d.name, d.def)
		}
		if d.secret && d.def != "" {
			t.Errorf("%s: a secret with a default", d.name)
		}
	}
	for _, name := range slices.Concat(serveSettings, ringTimes, dataOnly, redisUses) {
		if !slices.ContainsFunc(s.declared(), func(d setting) bool { return d.name == name }) {
			t.Errorf("a command uses %s, which is not declared", name)
		}
	}
}

func TestTheAdminAPIIsFoundFromItsListener(t *testing.T) {
	for _, c := range []struct{ listen, url, want string }{
		{"127.0.0.1:8081", "", "http://127.0.0.1:8081"},
		{":8081", "", "http://127.0.0.1:8081"},
		{"0.0.0.0:8081", "", "http://127.0.0.1:8081"},
		{"[::]:8081", "", "http://127.0.0.1:8081"},
		{"10.0.0.1:8081", "", "http://10.0.0.1:8081"},
		{"127.0.0.1:8081", "https://admin.example.com/", "https://admin.example.com"},
	} {
		s := settings{AdminListen: c.listen, AdminURL: c.url}
		if got := s.adminURL(); got != c.want {
			t.Errorf("adminURL(%q, %q) = %q, want %q", c.listen, c.url, got, c.want)
		}
	}
}

func TestTheRingIsPlannedForTheLifetimesThatAreSet(t *testing.T) {
	s := settings{AccessTTL: 15 * time.Minute, IdleTTL: 48 * time.Hour, SessionTTL: 24 * time.Hour, ClockSkew: 30 * time.Second, JWKSMaxAge: time.Hour}
	p := s.plan()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.Life[keys.AccessToken] != s.AccessTTL || p.Life[keys.SessionCookie] != s.SessionTTL || p.Life[keys.RefreshToken] != s.SessionTTL ||
		p.Skew != s.ClockSkew || p.Leeway != s.ClockSkew || p.JWKSMaxAge != s.JWKSMaxAge {
		t.Errorf("planned %+v for %+v", p, s)
	}
	ring, err := keys.NewRing(p, keys.ES256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.IdleTTL = s.SessionTTL
	if err := s.checkRing(ring, time.Now()); err != nil {
		t.Errorf("a ring does not fit the settings that it was made for: %v", err)
	}
}

func TestSettingsThatAreUnsafeOrDoNotGoTogether(t *testing.T) {
	good := func() *settings {
		s, err := loaded(t, []string{"--issuer", "https://auth.example.com", "--audiences", "orders"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := good().check(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for want, spoil := range map[string]func(*settings){
		"issuer is not set":                      func(s *settings) { s.Issuer = "" },
		"audiences is empty":                     func(s *settings) { s.Audiences = nil },
		"listen and admin_listen are both":       func(s *settings) { s.AdminListen = s.Listen },
		"access_ttl is 15m1s: at most 15m":       func(s *settings) { s.AccessTTL = 15*time.Minute + time.Second },
		"idle_ttl (13h) is longer than":          func(s *settings) { s.IdleTTL = 13 * time.Hour },
		"access_ttl (5m) is longer than idle":    func(s *settings) { s.IdleTTL = 4 * time.Minute },
		"refresh_grace is 6m: at most 5m":        func(s *settings) { s.RefreshGrace, s.AccessTTL = 6*time.Minute, 10*time.Minute },
		"refresh_grace (2m) is not shorter than": func(s *settings) { s.RefreshGrace, s.AccessTTL = 2*time.Minute, 2*time.Minute },
		"clock_skew is 11m: at most 10m":         func(s *settings) { s.ClockSkew = 11 * time.Minute },
		"alg is \"none\"":                        func(s *settings) { s.Alg = "none" },
	} {
		s := good()
		spoil(s)
		if err := s.check(); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("check() = %v, want one fault: %s", err, want)
		}
	}
}

func TestIssuersThatAreRefused(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://auth.example.com":       "",
		"https://auth.example.com:8443":  "",
		"http://localhost:8080":          "",
		"http://127.0.0.1:8080":          "",
		"http://[::1]:8080":              "",
		"http://auth.localhost":          "",
		"":                               "not set",
		"auth.example.com":               "not an absolute URL",
		"//auth.example.com":             "not an absolute URL",
		"https://":                       "not an absolute URL",
		"https://:8443":                  "not an absolute URL",
		"ftp://auth.example.com":         "not an absolute URL",
		"https://auth.example.com/":      "slash at the end",
		"https://auth.example.com/a":     "path",
		"https://auth.example.com?x":     "query",
		"https://auth.example.com?":      "query",
		"https://auth.example.com#":      "fragment",
		"https://u:p@auth.example.com":   "user",
		"http://auth.example.com":        "https://auth.example.com",
		"http://10.0.0.1":                "clear",
		"http://localhost.example.com":   "clear",
		"http://127.0.0.1.example.com":   "clear",
		"https://auth.example.com\x7f":   "not an absolute URL",
		"https://auth.example.com/%2e%2": "not an absolute URL",
	} {
		err := checkIssuer(issuer)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("checkIssuer(%q) = %v, want %q", issuer, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error quotes a password: %v", err)
		}
	}
}
