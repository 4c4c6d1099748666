package authsvc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/budget"
)

const shopOrigin = "https://shop.example.com"

// What is forecast of a login is what comes over the wire, to the byte: the
// header block, and each cookie in it.
func TestAForecastIsWhatIsSent(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) {
		c.BudgetProfiles, c.AppOrigins = []string{"haproxy"}, []string{"https://a.example.com", shopOrigin}
	})
	forecaster, err := authsvc.NewForecaster(authsvc.Config{
		Issuer: w.issuer, Audiences: []string{"orders", "stock"}, AppOrigins: []string{"https://a.example.com", shopOrigin},
	})
	must(t, err)
	for seed := range 25 { // a login hashes a password
		x := examples.Example(seed)
		w.users.with(func(u *authsvc.User) { u.Subject, u.Scopes, u.Roles = x.Subject, x.Scope, x.Roles })
		reply, err := forecaster.Login(x)
		must(t, err)
		head := string(raw(t, w.issuer, loginFrom(shopOrigin, x)))
		if got := reply.Response().Size(); got != len(head) || !strings.HasPrefix(head, "HTTP/1.1 200") {
			t.Fatalf("%d bytes, forecast %d\n%s", len(head), got, head)
		}
		for _, c := range reply.Cookies {
			if line := c.Field(); !hasLineLike(head, "Set-Cookie: "+c.Name+"=", line.Size()) {
				t.Fatalf("a line of %d bytes was forecast for %s\n%s", line.Size(), c.Name, head)
			}
		}
	}
}

// examples are sessions that a browser takes.
var examples = rapid.Custom(func(t *rapid.T) authsvc.Example {
	word := rapid.StringMatching(`[a-z]{3,12}(:[a-z]{3,6})?`)
	x := authsvc.Example{
		Subject: rapid.StringMatching(`[A-Za-z0-9@.]{1,100}`).Draw(t, "subject"),
		Scope:   rapid.SliceOfNDistinct(word, 0, 20, rapid.ID).Draw(t, "scope"),
		Roles:   rapid.SliceOfNDistinct(word, 0, 40, rapid.ID).Draw(t, "roles"),
	}
	if n := rapid.IntRange(0, 1200).Draw(t, "data"); n > 0 {
		x.Data, _ = json.Marshal(map[string]string{"b": strings.Repeat("é", n/2) + strings.Repeat("x", n%2)})
	}
	return x
})

func loginFrom(origin string, x authsvc.Example) string {
	body := `{"username":"ann","password":"` + password + `","mode":"cookie"`
	if x.Data != nil {
		body += `,"data":` + string(x.Data)
	}
	body += "}"
	return "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nOrigin: " + origin +
		fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func hasLineLike(head, prefix string, size int) bool {
	for line := range strings.SplitAfterSeq(head, "\r\n") {
		if strings.HasPrefix(line, prefix) && len(line) == size {
			return true
		}
	}
	return false
}

// What can not even be sealed has no size, and its parts are told all the same.
func TestAForecastOfTooMuchSaysWhatIsTooMuch(t *testing.T) {
	forecaster, err := authsvc.NewForecaster(authsvc.Config{Issuer: "https://auth.example.com", Audiences: []string{"orders"}})
	must(t, err)
	for name, x := range map[string]authsvc.Example{
		"roles": {Subject: "ann", Roles: make([]string, 300)},
		"data":  {Subject: "ann", Data: json.RawMessage(`{"b":"` + strings.Repeat("x", 8000) + `"}`)},
	} {
		reply, err := forecaster.Login(x)
		if !errors.Is(err, authsvc.ErrTooLarge) || part(reply.Parts, name) < 900 {
			t.Errorf("%s: %v, %+v", name, err, reply.Parts)
		}
	}
	if _, err := forecaster.Login(authsvc.Example{Subject: "ann", Data: json.RawMessage(`{"a":1,"a":2}`)}); err == nil || errors.Is(err, authsvc.ErrTooLarge) {
		t.Errorf("data that no login takes: %v", err)
	}
}

func part(parts []budget.Part, name string) int {
	for _, p := range parts {
		if p.Name == name {
			return p.Bytes
		}
	}
	return 0
}
