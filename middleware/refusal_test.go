package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

// everyBadToken are the ways in which one credential can be no good. The
// answer to all of them is the same.
func everyBadToken(t *testing.T, iss *authtest.Issuer) map[string]func(*http.Request) {
	other := authtest.New(t)
	foreign := authtest.New(t)
	good := iss.Token()
	parts := strings.Split(good, ".")
	sealed := iss.Cookie()
	return map[string]func(*http.Request){
		"garbage":                        bearer("garbage"),
		"1 MB of dots":                   bearer(strings.Repeat(".", 1<<20)),
		"1 MB of dots as a cookie":       cookie(&http.Cookie{Name: "__Host-session", Value: strings.Repeat(".", 1<<20)}),
		"garbage as a cookie":            cookie(&http.Cookie{Name: "__Host-session", Value: "garbage"}),
		"an empty cookie":                header("Cookie", "__Host-session="),
		"two tokens in one header":       bearer(good + " " + good),
		"another audience":               bearer(iss.Token(authtest.Audience("invoices"))),
		"another audience in a cookie":   cookie(iss.Cookie(authtest.Audience("invoices"))),
		"another issuer's token":         bearer(foreign.Token(authtest.Audience(iss.Audience))),
		"another issuer in the claims":   bearer(iss.Token(func(c *tokens.Claims) { c.Issuer = other.URL })),
		"an expired token":               bearer(iss.Token(authtest.Issued(time.Now().Add(-time.Hour)))),
		"an expired token in a cookie":   cookie(iss.Cookie(authtest.Issued(time.Now().Add(-time.Hour)))),
		"a token from the future":        bearer(iss.Token(authtest.Issued(time.Now().Add(time.Hour)))),
		"a refresh token as a bearer":    bearer(refreshToken(t)),
		"a refresh token as a cookie":    cookie(&http.Cookie{Name: "__Host-session", Value: refreshToken(t)}),
		"a session cookie as a bearer":   bearer(sealed.Value),
		"an access token as a cookie":    cookie(&http.Cookie{Name: "__Host-session", Value: good}),
		"no signature":                   bearer(parts[0] + "." + parts[1] + "."),
		"another signature":              bearer(parts[0] + "." + parts[1] + "." + strings.Split(iss.Token(), ".")[2]),
		"other claims":                   bearer(parts[0] + "." + strings.Split(iss.Token(authtest.Subject("eve")), ".")[1] + "." + parts[2]),
		"another issuer's sealed cookie": cookie(foreign.Cookie(authtest.Audience(iss.Audience))),
	}
}

// refreshToken is a refresh token of somebody's.
func refreshToken(t *testing.T) string {
	t.Helper()
	k, err := keys.Generate(keys.RefreshToken, keys.A256KW)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	raw, err := tokens.SealRefresh(&tokens.Refresh{
		SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), ParentIssuedAt: now.UnixMilli(),
		Subject: "ann", ClientID: "login", Audience: []string{"test-service"},
		AuthTime: now, IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(time.Hour),
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEveryBadTokenGetsTheSameAnswer(t *testing.T) {
	iss := authtest.New(t)
	h := readyGuard(t, iss).Handler(whoami)
	var first string
	for name, credential := range everyBadToken(t, iss) {
		t.Run(name, func(t *testing.T) {
			resp := ask(h, credential)
			text := body(t, resp)
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("body %q differs from %q", text, first)
			}
			wantRefused(t, ask(h, credential), http.StatusUnauthorized, "invalid-token", challengeInvalid)
		})
	}
}

func TestAGoodCredentialIsServed(t *testing.T) {
	iss := authtest.New(t)
	h := readyGuard(t, iss).Handler(whoami)
	for name, credential := range map[string]func(*http.Request){
		"bearer":                    bearer(iss.Token(authtest.Subject("ben"))),
		"bearer in lower case":      header("Authorization", "bearer "+iss.Token(authtest.Subject("ben"))),
		"cookie":                    cookie(iss.Cookie(authtest.Subject("ben"))),
		"cookie among others":       header("Cookie", "a=b; __Host-session="+iss.Cookie(authtest.Subject("ben")).Value+"; session=x"),
		"one of several audiences":  bearer(iss.Token(authtest.Subject("ben"), authtest.Audience("x", iss.Audience))),
		"expired within the leeway": bearer(iss.Token(authtest.Subject("ben"), authtest.Issued(time.Now().Add(-5*time.Minute-20*time.Second)))),
		"bearer beside a foreign cookie": func(r *http.Request) {
			bearer(iss.Token(authtest.Subject("ben")))(r)
			cookie(&http.Cookie{Name: "theme", Value: "dark"})(r)
		},
	} {
		t.Run(name, func(t *testing.T) { wantServed(t, ask(h, credential), "ben") })
	}
}

func TestWhatIsNotOneCredentialIsRefused(t *testing.T) {
	iss := authtest.New(t)
	h := readyGuard(t, iss).Handler(whoami)
	token, sealed := iss.Token(), iss.Cookie()
	for name, c := range map[string]struct {
		change    []func(*http.Request)
		status    int
		code      string
		challenge string
	}{
		"no credential":                   {nil, 401, "no-credential", challenge},
		"another scheme":                  {[]func(*http.Request){header("Authorization", "Basic YTpi")}, 401, "no-credential", challenge},
		"a cookie of another name":        {[]func(*http.Request){cookie(&http.Cookie{Name: "__Secure-session", Value: sealed.Value})}, 401, "no-credential", challenge},
		"bearer and cookie":               {[]func(*http.Request){bearer(token), cookie(sealed)}, 400, "invalid-request", challengeRequest},
		"bearer and an empty cookie":      {[]func(*http.Request){bearer(token), header("Cookie", "__Host-session=")}, 400, "invalid-request", challengeRequest},
		"two authorization headers":       {[]func(*http.Request){bearer(token), bearer(token)}, 400, "invalid-request", challengeRequest},
		"authorization of two schemes":    {[]func(*http.Request){bearer(token), header("Authorization", "Basic YTpi")}, 400, "invalid-request", challengeRequest},
		"the same cookie twice":           {[]func(*http.Request){cookie(sealed), cookie(sealed)}, 400, "invalid-request", challengeRequest},
		"the same cookie in two headers":  {[]func(*http.Request){cookie(sealed), header("Cookie", sealed.String())}, 400, "invalid-request", challengeRequest},
		"the word Bearer alone":           {[]func(*http.Request){header("Authorization", "Bearer")}, 400, "invalid-request", challengeRequest},
		"the word Bearer and blanks":      {[]func(*http.Request){header("Authorization", "Bearer   ")}, 400, "invalid-request", challengeRequest},
		"an empty authorization header":   {[]func(*http.Request){header("Authorization", "")}, 401, "no-credential", challenge},
		"a word that begins like Bearer":  {[]func(*http.Request){header("Authorization", "Bearers "+token)}, 401, "no-credential", challenge},
		"a token in the query is nothing": {[]func(*http.Request){func(r *http.Request) { r.URL.RawQuery = "access_token=" + token }}, 401, "no-credential", challenge},
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, ask(h, c.change...), c.status, c.code, c.challenge) })
	}
}

func TestOneMegabyteOfDotsIsRefusedWithoutWork(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	dots := strings.Repeat(".", 1<<20)
	for name, credential := range map[string]func(*http.Request){
		"bearer": bearer(dots),
		"cookie": header("Cookie", "__Host-session="+dots),
	} {
		t.Run(name, func(t *testing.T) {
			r := request(credential)
			if n := testing.AllocsPerRun(100, func() { _, _ = g.Check(r) }); n > 8 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func TestACookieFromAnotherOriginChangesNothing(t *testing.T) {
	iss := authtest.New(t)
	cfg := configOf(iss)
	cfg.TrustedOrigins = []string{"https://app.example.com"}
	g := newGuard(t, cfg)
	eventually(t, "the guard is ready", g.Ready)
	h := g.Handler(whoami)
	fromElsewhere := header("Sec-Fetch-Site", "cross-site")
	wantRefused(t, ask(h, method("POST"), fromElsewhere, cookie(iss.Cookie())), http.StatusForbidden, "cross-origin", "")
	wantServed(t, ask(h, method("GET"), fromElsewhere, cookie(iss.Cookie())), "ann")
	wantServed(t, ask(h, method("POST"), header("Sec-Fetch-Site", "same-origin"), cookie(iss.Cookie())), "ann")
	wantServed(t, ask(h, method("POST"), fromElsewhere, bearer(iss.Token())), "ann")
	wantServed(t, ask(h, method("POST"), fromElsewhere, header("Origin", "https://app.example.com"), cookie(iss.Cookie())), "ann")
}
