package authsvc_test

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/tokens"
)

// everyEscape form-encodes every byte: what RFC 6749 §2.3.1 has clients do to
// their id and secret before Basic, and nobody needs to.
func everyEscape(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		out.WriteString("%" + string("0123456789ABCDEF"[b>>4]) + string("0123456789abcdef"[b&15]))
	}
	return out.String()
}

func TestBasicCredentialsAreFormEncoded(t *testing.T) {
	const id = "stock.eu_1~west-2"
	var secret tokens.Secret
	w := newWorld(t, func(c *authsvc.Config) {
		var err error
		secret, err = c.Clients.(*users.ClientFile).Add(t.Context(), authsvc.Client{ID: id, Scopes: []string{"stock:read"}})
		must(t, err)
	})
	raw := id + ":" + secret.Reveal()
	for name, tc := range map[string]struct {
		credentials option
		more        url.Values
	}{
		"as they are":                {withBasic(id, secret.Reveal()), nil},
		"every byte escaped":         {withBasic(everyEscape(id), everyEscape(secret.Reveal())), nil},
		"escaped as openid-client":   {withBasic("stock%2Eeu%5F1%7Ewest%2D2", secret.Reveal()), nil},
		"the scheme in lower case":   {header("Authorization", "basic "+base64.StdEncoding.EncodeToString([]byte(raw))), nil},
		"named in the body too":      {withBasic(id, secret.Reveal()), url.Values{"client_id": {id}}},
		"and an empty client_secret": {withBasic(id, secret.Reveal()), url.Values{"client_secret": {""}}},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}}
			maps.Copy(form, tc.more)
			if a := w.form(form, tc.credentials).want(t, 200, ""); a.str(t, "scope") != "stock:read" {
				t.Errorf("%s", a.body)
			}
		})
	}
}

// RFC 6749 §5.1, §5.2.
func TestNoTokenAnswerIsStored(t *testing.T) {
	w := newWorld(t)
	refresh := w.login().str(t, "refresh_token")
	for name, a := range map[string]answer{
		"a refresh":         w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}).want(t, 200, ""),
		"a service's token": w.form(url.Values{"grant_type": {"client_credentials"}}, w.basic()).want(t, 200, ""),
		"a bad grant":       w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}).want(t, 400, ""),
		"a bad client":      w.form(url.Values{"grant_type": {"client_credentials"}}, withBasic("orders", "x")).want(t, 401, ""),
		"no form":           w.do("POST", "/v1/token", "application/json", "{}").want(t, 415, ""),
	} {
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
}

// A client that has shown itself by Basic is told so in the same scheme; one
// that has not is told what there is.
func TestAWrongClientIsChallenged(t *testing.T) {
	w := newWorld(t)
	cc := url.Values{"grant_type": {"client_credentials"}}
	inBody := url.Values{"grant_type": {"client_credentials"}, "client_id": {"orders"}, "client_secret": {"wrong"}}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.login().str(t, "refresh_token")}}
	for name, a := range map[string]answer{
		"a wrong secret":     w.form(cc, withBasic("orders", "wrong")),
		"an unknown client":  w.form(cc, withBasic("mars", "wrong")),
		"in the body":        w.form(inBody),
		"of a refresh":       w.form(refresh, withBasic("orders", "wrong")),
		"without a password": w.form(refresh, withBasic("orders", "")),
	} {
		if a.status != 401 || a.str(t, "error") != "invalid_client" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: %d %s %v", name, a.status, a.body, a.header)
		}
	}
	w.form(refresh).want(t, 200, "")
}

func TestParametersThatAreUnknownOrThereTwice(t *testing.T) {
	w := newWorld(t)
	refresh := w.login().str(t, "refresh_token")
	form := func(more ...string) url.Values {
		v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
		for i := 0; i < len(more); i += 2 {
			v.Add(more[i], more[i+1])
		}
		return v
	}
	for name, v := range map[string]url.Values{
		"unknown": form("resource", "https://orders.example.com", "audience", "orders", "redirect_uri", "x"), "empty": form("scope", "", "client_secret", ""),
	} {
		if a := w.form(v); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for name, v := range map[string]url.Values{
		"grant_type": form("grant_type", "refresh_token"), "refresh_token": form("refresh_token", refresh), "scope": form("scope", "orders:read", "scope", "orders:read"),
		"client_id": form("client_id", "login", "client_id", "login"), "an unknown one": form("x", "1", "x", "1"), "an empty one": form("scope", "", "scope", ""),
	} {
		w.unchanged(t, func() {
			if a := w.form(v); a.status != 400 || a.str(t, "error") != "invalid_request" {
				t.Errorf("%s twice: %d %s", name, a.status, a.body)
			}
		})
	}
}

// A scope can be narrowed and never widened, by whichever grant; the refresh
// token goes on for all of it (RFC 6749 §6).
func TestScopesAreNarrowedForOneTokenOnly(t *testing.T) {
	w := newWorld(t)
	refresh := w.login().str(t, "refresh_token")
	ask := func(scope string) answer {
		return w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {scope}})
	}
	for asked, want := range map[string]string{
		"orders:read": "orders:read", "orders:write orders:read": "orders:read orders:write", "orders:read orders:read": "orders:read",
		" orders:read  orders:write ": "orders:read orders:write",
	} {
		a := ask(asked).want(t, 200, "")
		if a.str(t, "scope") != want {
			t.Errorf("asked for %q: %s", asked, a.body)
		}
		if c := w.introspect(a.str(t, "access_token"), w.basic()); c.str(t, "scope") != want {
			t.Errorf("asked for %q: a token of %s", asked, c.body)
		}
		again := w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.str(t, "refresh_token")}})
		if again.str(t, "scope") != "orders:read orders:write" {
			t.Errorf("after %q: %s", asked, again.body)
		}
	}
	for _, asked := range []string{"admin", "orders:read admin", "orders:read\torders:write", "orders:read\u00a0orders:write", " ", "ORDERS:READ", `"`} {
		w.unchanged(t, func() {
			if a := ask(asked); a.status != 400 || a.str(t, "error") != "invalid_scope" {
				t.Errorf("asked for %q: %d %s", asked, a.status, a.body)
			}
		})
	}
}

// Whatever it quotes of the request (RFC 6749 §5.2).
func TestAnErrorIsDescribedInTheCharactersThatItMayHave(t *testing.T) {
	w := newWorld(t)
	strange := []string{`a"b`, `a\b`, "ä\u2028", "a\x00b\x7f", strings.Repeat("ß", 100)}
	for _, s := range strange {
		for name, v := range map[string]url.Values{
			"invalid_scope":   {"grant_type": {"client_credentials"}, "scope": {s}},
			"invalid_request": {"grant_type": {"client_credentials"}, s: {"1", "2"}},
		} {
			a := w.form(v, w.basic())
			said := a.str(t, "error_description")
			foreign := strings.ContainsFunc(said, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
			if a.str(t, "error") != name || said == "" || foreign {
				t.Errorf("%q: %d %s", s, a.status, a.body)
			}
		}
	}
	if a := w.form(url.Values{"grant_type": {"client_credentials"}, "scope": {"admin"}}, w.basic()); !slices.Contains(strings.Fields(a.str(t, "error_description")), "'admin'") {
		t.Errorf("%s", a.body)
	}
}
