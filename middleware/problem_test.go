package middleware

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEveryErrorHasItsAnswer(t *testing.T) {
	g := localGuard(t, newLocalTrust(t), nil)
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{ErrNoCredential, 401, "no-credential"},
		{ErrMalformed, 400, "invalid-request"},
		{ErrManyCredentials, 400, "invalid-request"},
		{ErrCrossOrigin, 403, "cross-origin"},
		{ErrInvalidToken, 401, "invalid-token"},
		{ErrRevoked, 401, "invalid-token"},
		{ErrKeyRevoked, 401, "invalid-token"},
		{ErrExpired, 401, "invalid-token"},
		{ErrRefreshNeeded, 401, "refresh-needed"},
		{ErrLoginNeeded, 401, "login-needed"},
		{ErrUnavailable, 503, "unavailable"},
		{ErrInsufficientScope, 403, "insufficient-scope"},
		{ErrInsufficientRole, 403, "insufficient-role"},
		{errors.New("an error of nobody's"), 401, "invalid-token"},
		{fmt.Errorf("around it: %w", ErrUnavailable), 503, "unavailable"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			w := httptest.NewRecorder()
			g.Refuse(w, bearerRequest("x"), c.err)
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Code != c.code || p.Status != c.status {
				t.Errorf("%d %+v (%v), want %d %s", w.Code, p, err, c.status, c.code)
			}
			if c.code == "invalid-token" && strings.Contains(w.Body.String(), strings.TrimPrefix(c.err.Error(), ErrInvalidToken.Error()+": ")) {
				t.Errorf("the answer tells the reason: %s", w.Body)
			}
		})
	}
}

func TestARequestIDIsNamedWhenThereIsOne(t *testing.T) {
	for name, c := range map[string]struct{ answer, request, want string }{
		"none":                 {"", "", ""},
		"of a middleware":      {"mine", "theirs", "mine"},
		"of the request":       {"", "theirs", "theirs"},
		"one that is too long": {"", strings.Repeat("x", 129), ""},
		"one with a line end":  {"", "a\nb", ""},
		"one with a blank":     {"", "a b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, r := http.Header{}, bearerRequest("x")
			h.Set("X-Request-Id", c.answer)
			r.Header.Set("X-Request-Id", c.request)
			if got := requestID(h, r); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAQuotedStringCannotBeLeft(t *testing.T) {
	for in, want := range map[string]string{
		`orders`: `"orders"`, `a"b`: `"a\"b"`, `a\`: `"a\\"`, "a\r\nb": `"ab"`, "ä": `""`,
	} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzCredential(f *testing.F) {
	for _, s := range []string{"", "Bearer x", "bearer  x", "Basic YTpi", "Bearer"} {
		for _, c := range []string{"", "__Host-session=x", "a=b; __Host-session=x;__Host-session=y", ";;=;"} {
			f.Add(s, c)
		}
	}
	l := newLocalTrust(f)
	g := localGuard(f, l, nil)
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{authorization}
		r.Header["Cookie"] = []string{cookie}
		s, err := g.Check(r)
		if err == nil {
			t.Fatalf("accepted as %+v", s)
		}
		w := httptest.NewRecorder()
		g.Refuse(w, r, err)
		if w.Code < 400 || w.Code >= 500 {
			t.Fatalf("answer %d to %v", w.Code, err)
		}
	})
}
