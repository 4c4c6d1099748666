package authsvc_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

// hostile are the payloads of the file.
func hostile(t testing.TB) (payloads []string) {
	t.Helper()
	data, err := os.ReadFile("testdata/returnto/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var payload string
		if err := json.Unmarshal([]byte(line), &payload); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		payloads = append(payloads, payload)
	}
	return payloads
}

// Each payload goes through a real login, and where that leads is resolved by
// Go's rules and by a browser's.
func TestNoDestinationLeavesTheApplication(t *testing.T) {
	const issuer = "https://auth.example.com"
	origins := []string{issuer, shop, "http://localhost:3000"}
	w := newWorld(t, func(c *authsvc.Config) { c.Issuer, c.AppOrigins = issuer, origins[1:] })
	given := hostile(t)
	if len(given) < 300 {
		t.Fatalf("only %d payloads", len(given))
	}
	base, err := url.Parse(issuer + "/login")
	must(t, err)
	var led []string
	for _, payload := range given {
		a := w.formTo("/login", url.Values{"username": {"ann"}, "password": {password}, "return_to": {payload}}).want(t, 303, "")
		to := a.header.Get("Location")
		if u, err := base.Parse(to); err != nil || !slices.Contains(origins, u.Scheme+"://"+u.Host) || u.User != nil {
			t.Errorf("%q leads to %q (%v)", payload, to, err)
		}
		led = append(led, to)
	}
	by := resolved(t, base.String(), given, led)
	leave := 0
	for i, payload := range given {
		if !slices.Contains(origins, by.Led[i]) {
			t.Errorf("%q leads a browser to %q, at %s", payload, led[i], by.Led[i])
		}
		if !slices.Contains(origins, by.Given[i]) {
			leave++
		}
	}
	if leave < len(given)/2 {
		t.Errorf("only %d of %d payloads would lead a browser away by themselves", leave, len(given))
	}
	t.Logf("%d payloads, of which %d would lead a browser away; none does", len(given), leave)
}

type origins struct{ Given, Led []string }

func resolved(t *testing.T, base string, given, led []string) (by origins) {
	t.Helper()
	in, err := json.Marshal(map[string]any{"base": base, "given": given, "led": led})
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "testdata/returnto/resolve.mjs")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	must(t, err)
	must(t, json.Unmarshal(out, &by))
	if len(by.Given) != len(given) || len(by.Led) != len(led) {
		t.Fatalf("%d and %d origins", len(by.Given), len(by.Led))
	}
	return by
}

func FuzzReturnTo(f *testing.F) {
	for _, payload := range hostile(f) {
		f.Add(payload)
	}
	f.Add("/a\xc0\xaf/b") // what JSON can not say
	f.Add("/\xff")
	f.Add("/orders?page=2&q=a%20b#top")
	f.Add(shop + "/cart?a=b")
	origins := []string{"https://auth.example.com", shop, "http://localhost:3000"}
	f.Fuzz(func(t *testing.T, given string) {
		to, ok := authsvc.ReturnTo(given, origins)
		if !ok {
			if to != "" {
				t.Errorf("%q is refused and leads to %q", given, to)
			}
			return
		}
		if !slices.ContainsFunc(origins, func(o string) bool { return strings.HasPrefix(to, o+"/") }) {
			t.Errorf("%q leads to %q", given, to)
		}
		if again, ok := authsvc.ReturnTo(to, origins); again != to || !ok {
			t.Errorf("%q leads to %q, and that to %q, %v", given, to, again, ok)
		}
		for _, read := range []string{given, strings.ReplaceAll(given, `\`, "/"), strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(given)} {
			u, err := url.Parse(read)
			if err != nil {
				t.Fatalf("%q: %v", read, err)
			}
			if u.Host != "" && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
				t.Errorf("%q is taken, and names the host %q", given, u.Host)
			}
		}
	})
}
