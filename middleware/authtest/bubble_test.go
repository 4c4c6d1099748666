package authtest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestATokenExpiresWithinABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss := authtest.InBubble(t)
		h := service(iss.Guard())
		token := iss.Token()
		if resp := get(h, token); resp.StatusCode != http.StatusOK {
			t.Fatalf("a new token: answer %d", resp.StatusCode)
		}
		time.Sleep(iss.TokenLife + middleware.DefaultClockSkew)
		if resp := get(h, token); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("an old token: answer %d", resp.StatusCode)
		}
		if resp := get(h, iss.Token()); resp.StatusCode != http.StatusOK {
			t.Errorf("another new token: answer %d", resp.StatusCode)
		}
	})
}

func TestAStreamEndsWithinABubble(t *testing.T) {
	for want, end := range map[error]func(iss *authtest.Issuer, token string){
		middleware.ErrExpired:    func(*authtest.Issuer, string) {},
		middleware.ErrRevoked:    (*authtest.Issuer).Revoke,
		middleware.ErrKeyRevoked: func(iss *authtest.Issuer, _ string) { iss.RevokeKey() },
	} {
		synctest.Test(t, func(t *testing.T) {
			iss := authtest.InBubble(t)
			token := iss.Token()
			var cause error
			began := time.Now()
			get(iss.Guard().Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				end(iss, token)
				<-r.Context().Done()
				cause = context.Cause(r.Context())
			})), token)
			if !errors.Is(cause, want) {
				t.Errorf("it ended with %v, want %v", cause, want)
			}
			if took := time.Since(began); errors.Is(want, middleware.ErrExpired) != (took > iss.TokenLife) {
				t.Errorf("%v: it ended after %v", want, took)
			}
		})
	}
}

// A cut feed, an outage and keys that change are heard of as outside of a bubble,
// and the hours of them are over in a second.
func TestHoursOfTroubleWithinABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss := authtest.InBubble(t)
		guard := iss.Guard()
		h := service(guard)
		cookie := func() int {
			r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
			r.AddCookie(iss.Cookie())
			h.ServeHTTP(w, r)
			return w.Code
		}
		for _, trouble := range []struct{ begin, end func() }{
			{iss.CutFeed, iss.RestoreFeed}, {iss.Down, iss.Up}, {iss.Rotate, func() {}}, {iss.RevokeKey, func() {}},
		} {
			trouble.begin()
			time.Sleep(20 * time.Minute)
			trouble.end()
			iss.Await(guard)
			token := iss.Token()
			if code := get(h, token).StatusCode; code != http.StatusOK {
				t.Errorf("a token: answer %d", code)
			}
			if code := cookie(); code != http.StatusOK {
				t.Errorf("a cookie: answer %d", code)
			}
			iss.Revoke(token)
			iss.Await(guard)
			if code := get(h, token).StatusCode; code != http.StatusUnauthorized {
				t.Errorf("a token that was revoked: answer %d", code)
			}
		}
	})
}
