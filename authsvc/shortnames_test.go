package authsvc_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

// Roles with codes take as many bytes as was forecast; a guard has the codes with
// the session keys; and another table comes with another key, so that what was
// sealed with the one before is as good as it was.
func TestRolesWithShortNamesAreOpenedEverywhere(t *testing.T) {
	plan := func(list []string) keys.Plan {
		names, err := keys.NewNames(list)
		must(t, err)
		p := keys.DefaultPlan()
		p.Names = names
		return p
	}
	var roles []string
	for i := range 100 {
		roles = append(roles, fmt.Sprintf("department-%d.ledgers.edit", i*i))
	}
	ring, err := keys.NewRing(plan(roles), keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	w := newWorld(t, func(c *authsvc.Config) { c.Ring = ring })
	g := w.follower()
	w.users.with(func(u *authsvc.User) { u.Roles = roles })
	opened := func(a answer) {
		t.Helper()
		s, err := g.Check(with(withCookies(a.cookie(t, "__Host-session"))))
		must(t, err)
		if fmt.Sprint(s.Roles) != fmt.Sprint(roles) {
			t.Errorf("other roles came out: %q", s.Roles)
		}
	}
	f, err := authsvc.NewForecaster(authsvc.Config{Issuer: w.issuer, Audiences: []string{"orders", "stock"}, Ring: ring})
	must(t, err)
	in := w.loginCookie()
	opened(in)
	reply, err := f.Login(authsvc.Example{Subject: "u-ann", Scope: []string{"orders:read", "orders:write"}, Roles: roles, Data: []byte(`{"theme":"dark"}`)})
	must(t, err)
	for i, name := range []string{"__Host-session", "__Secure-refresh"} {
		if got, want := len(in.cookie(t, name).Value), len(reply.Cookies[i].Value); got != want || got > 700 {
			t.Errorf("%s has %d bytes, forecast %d", name, got, want)
		}
	}
	next, err := ring.Rotate(keys.SessionCookie, plan(append([]string{"first"}, roles[:50]...)), time.Now())
	must(t, err)
	next, err = next.Rotate(keys.RefreshToken, keys.Plan{}, time.Now())
	must(t, err)
	again, err := next.Revoke(signing(t, next, keys.SessionCookie), "", time.Now()) // so that the standby with the other table seals
	must(t, err)
	w.svc.SetRing(next)
	opened(in)
	renewed := w.post("/v1/refresh", "", withCookies(in.cookie(t, "__Secure-refresh"))).want(t, 200, "")
	opened(renewed)
	w.svc.SetRing(again)
	late := w.post("/v1/refresh", "", withCookies(in.cookie(t, "__Secure-refresh"))).want(t, 200, "")
	if n := len(late.cookie(t, "__Host-session").Value); n < 800 {
		t.Errorf("half of the roles have no codes any more, and the cookie has %d bytes", n)
	}
	opened(late)
}

func signing(t *testing.T, r *keys.Ring, p keys.Purpose) string {
	t.Helper()
	k, err := r.Current(p, time.Now())
	must(t, err)
	return k.ID
}
