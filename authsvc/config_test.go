package authsvc_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

func TestNewRefusesUnusableConfigs(t *testing.T) {
	w := newWorld(t)
	good := authsvc.Config{
		Issuer: "https://auth.example.com", Audiences: []string{"orders"}, AdminToken: adminToken,
		Ring: w.ring, Log: w.log, Sessions: w.store, Users: w.users, Clients: noClients{},
	}
	if _, err := authsvc.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*authsvc.Config){
		"no issuer":                 func(c *authsvc.Config) { c.Issuer = "" },
		"an issuer with a slash":    func(c *authsvc.Config) { c.Issuer += "/" },
		"an issuer with a query":    func(c *authsvc.Config) { c.Issuer += "?x" },
		"an issuer with a bare ?":   func(c *authsvc.Config) { c.Issuer += "?" },
		"an issuer with a fragment": func(c *authsvc.Config) { c.Issuer += "#x" },
		"an issuer with a bare #":   func(c *authsvc.Config) { c.Issuer += "#" },
		"an issuer with a user":     func(c *authsvc.Config) { c.Issuer = "https://a:b@auth.example.com" },
		"an issuer without a host":  func(c *authsvc.Config) { c.Issuer = "https:///x" },
		"another scheme":            func(c *authsvc.Config) { c.Issuer = "ftp://auth.example.com" },
		"no audience":               func(c *authsvc.Config) { c.Audiences = nil },
		"an empty audience":         func(c *authsvc.Config) { c.Audiences = []string{""} },
		"an audience twice":         func(c *authsvc.Config) { c.Audiences = []string{"a", "a"} },
		"a long audience":           func(c *authsvc.Config) { c.Audiences = []string{strings.Repeat("x", 256)} },
		"any origin":                func(c *authsvc.Config) { c.AppOrigins = []string{"*"} },
		"any subdomain":             func(c *authsvc.Config) { c.AppOrigins = []string{"https://*.example.com"} },
		"the origin null":           func(c *authsvc.Config) { c.AppOrigins = []string{"null"} },
		"an origin with a path":     func(c *authsvc.Config) { c.AppOrigins = []string{"https://shop.example.com/"} },
		"an origin with its port":   func(c *authsvc.Config) { c.AppOrigins = []string{"https://shop.example.com:443"} },
		"an origin with no port":    func(c *authsvc.Config) { c.AppOrigins = []string{"https://shop.example.com:"} },
		"an origin with a user":     func(c *authsvc.Config) { c.AppOrigins = []string{"https://a@shop.example.com"} },
		"an origin in capitals":     func(c *authsvc.Config) { c.AppOrigins = []string{"https://Shop.example.com"} },
		"an origin without TLS":     func(c *authsvc.Config) { c.AppOrigins = []string{"http://shop.example.com"} },
		"an origin twice":           func(c *authsvc.Config) { c.AppOrigins = []string{"http://localhost:1", "http://localhost:1"} },
		"too long an access token":  func(c *authsvc.Config) { c.AccessTTL = 16 * time.Minute },
		"a negative access token":   func(c *authsvc.Config) { c.AccessTTL = -1 },
		"idle shorter than access":  func(c *authsvc.Config) { c.IdleTTL = time.Minute },
		"session shorter than idle": func(c *authsvc.Config) { c.SessionTTL = 10 * time.Minute },
		"negative skew":             func(c *authsvc.Config) { c.ClockSkew = -1 },
		"more skew than planned":    func(c *authsvc.Config) { c.ClockSkew = 2 * time.Minute },
		"more max-age than planned": func(c *authsvc.Config) { c.JWKSMaxAge = time.Hour },
		"more life than planned":    func(c *authsvc.Config) { c.AccessTTL = 10 * time.Minute },
		"more idle than planned":    func(c *authsvc.Config) { c.IdleTTL, c.SessionTTL = 48*time.Hour, 72*time.Hour },
		"too long a grace":          func(c *authsvc.Config) { c.RefreshGrace = 6 * time.Minute },
		"negative subscribers":      func(c *authsvc.Config) { c.MaxSubscribers = -1 },
		"a short admin token":       func(c *authsvc.Config) { c.AdminToken = "short" },
		"an unknown budget profile": func(c *authsvc.Config) { c.BudgetProfiles = []string{"nginx", "squid"} },
		"no ring":                   func(c *authsvc.Config) { c.Ring = nil },
		"no log":                    func(c *authsvc.Config) { c.Log = nil },
		"no sessions":               func(c *authsvc.Config) { c.Sessions = nil },
		"no users":                  func(c *authsvc.Config) { c.Users = nil },
		"no clients":                func(c *authsvc.Config) { c.Clients = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := authsvc.New(c); !errors.Is(err, authsvc.ErrConfig) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRunTwiceIsRefused(t *testing.T) {
	w := newWorld(t)
	if err := w.svc.Run(context.Background()); err == nil {
		t.Error("a second Run went on")
	}
}

func TestARingThatDoesNotSuitIsSaid(t *testing.T) {
	w := newWorld(t)
	plan := keys.DefaultPlan()
	plan.Life[keys.AccessToken] = time.Minute
	ring, err := keys.NewRing(plan, keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	w.svc.SetRing(ring)
	if !strings.Contains(w.logged.String(), "does not suit") {
		t.Error("nothing was logged")
	}
}
