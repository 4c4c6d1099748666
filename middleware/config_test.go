package middleware

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestNewRefusesWhatCanNeverWork(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no issuer":                          func(c *Config) { c.Issuer = "" },
		"no audience":                        func(c *Config) { c.Audience = "" },
		"an empty further audience":          func(c *Config) { c.Audiences = []string{""} },
		"a client without a secret":          func(c *Config) { c.Client.ID = "orders" },
		"a secret without a client":          func(c *Config) { c.Client.Secret = "secret" },
		"a negative clock skew":              func(c *Config) { c.ClockSkew = -time.Second },
		"a clock skew that makes times idle": func(c *Config) { c.ClockSkew = time.Hour },
		"a negative MaxStale":                func(c *Config) { c.MaxStale = -time.Second },
		"a cookie of another name":           func(c *Config) { c.Cookie = "session" },
		"a trusted origin that is none":      func(c *Config) { c.TrustedOrigins = []string{"app.example.com"} },
		"an issuer that is not https":        func(c *Config) { c.Issuer = "http://auth.example.com" },
		"a snapshot without a client":        func(c *Config) { c.Snapshot = "orders.snapshot" },
		"a snapshot of another's trust": func(c *Config) {
			c.Snapshot, c.Client, c.Trust = "orders.snapshot", Client{"orders", "secret"}, newLocalTrust(t)
		},
		"an issuer that is no URL": func(c *Config) { c.Issuer = "auth.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Issuer: testIssuer, Audience: "orders"}
			change(&cfg)
			g, err := New(context.Background(), cfg)
			if !errors.Is(err, ErrConfig) {
				t.Errorf("error %v", err)
			}
			if err == nil {
				g.Close()
			}
		})
	}
}

func TestAGuardSaysAtItsStartWhatBecomesOfTokensWithoutAFeed(t *testing.T) {
	for want, stale := range map[string]time.Duration{
		"tokens are accepted until they expire":    0,
		"tokens are accepted up to an age of 1m0s": time.Minute,
	} {
		var logged logBuffer
		g, err := New(context.Background(), Config{
			Issuer: "http://127.0.0.1:1", Audience: "orders", MaxStale: stale, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
		if !strings.Contains(logged.String(), want) {
			t.Errorf("logged %s, want %q", logged.String(), want)
		}
	}
}

func TestACookieDomainMakesItTheOtherCookie(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, func(c *Config) { c.Cookie = DomainCookie })
	r := bearerRequest("")
	r.Header.Del("Authorization")
	r.Header.Set("Cookie", "__Host-session=x")
	if _, err := g.Check(r); !errors.Is(err, ErrNoCredential) {
		t.Errorf("the cookie of the other name: %v", err)
	}
	r.Header.Set("Cookie", "__Secure-session=x")
	if _, err := g.Check(r); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("the cookie: %v", err)
	}
}
