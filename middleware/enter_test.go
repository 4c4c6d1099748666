package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

func TestEnterJudgesAsCheckDoes(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	good := "Bearer " + iss.Token()
	revoked := iss.Token()
	iss.Revoke(revoked)
	iss.Await(g)
	for name, authorization := range map[string][]string{
		"none": nil, "empty": {""}, "good": {good}, "two": {good, good}, "no token": {"Bearer"}, "another scheme": {"Basic YTpi"},
		"garbage": {"Bearer garbage"}, "of another audience": {"Bearer " + iss.Token(authtest.Audience("billing"))}, "revoked": {"Bearer " + revoked},
	} {
		t.Run(name, func(t *testing.T) {
			want, wantErr := g.Check(request(func(r *http.Request) { r.Header["Authorization"] = authorization }))
			ctx, leave, err := g.Enter(t.Context(), "/orders/list", authorization)
			if err != wantErr {
				t.Fatalf("Enter: %v, Check: %v", err, wantErr)
			}
			if err != nil {
				return
			}
			defer leave()
			if s, ok := middleware.FromContext(ctx); !ok || s.Subject != want.Subject || s.ID != want.ID {
				t.Errorf("session %+v, want %+v", s, want)
			}
		})
	}
}

func TestACallThatHasEnteredEndsWithItsSession(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	token := iss.Token()
	ctx, leave, err := g.Enter(t.Context(), "/orders/watch", []string{"Bearer " + token})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	heard := make(chan error, 1)
	defer middleware.OnEnd(ctx, func(cause error) { heard <- cause })()
	iss.Revoke(token)
	if <-ctx.Done(); !errors.Is(context.Cause(ctx), middleware.ErrRevoked) {
		t.Errorf("the context ends with %v", context.Cause(ctx))
	}
	if cause := <-heard; !errors.Is(cause, middleware.ErrRevoked) {
		t.Errorf("OnEnd hears %v", cause)
	}
}

func TestACallThatHasLeftIsForgotten(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	ctx, leave, err := g.Enter(t.Context(), "/orders/list", []string{"Bearer " + iss.Token()})
	if err != nil || g.Status().Requests != 1 {
		t.Fatalf("%d requests, %v", g.Status().Requests, err)
	}
	leave()
	if !errors.Is(context.Cause(ctx), context.Canceled) || g.Status().Requests != 0 {
		t.Errorf("%d requests are left, the context ends with %v", g.Status().Requests, context.Cause(ctx))
	}
}

func TestTheRulesOfACallHoldForRenewToo(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	session := authtest.SessionID(tokens.NewID())
	rules := append(make([]middleware.Rule, 0, 8), middleware.Scopes("read"), middleware.Roles("clerk")) // room that nobody must write to
	enter := func(claims ...authtest.Claim) (context.Context, func(), error) {
		return g.Enter(t.Context(), "/orders/watch", []string{"Bearer " + iss.Token(append(claims, session)...)}, rules...)
	}
	for want, claims := range map[error][]authtest.Claim{
		middleware.ErrInsufficientScope: {authtest.Roles("clerk")},
		middleware.ErrInsufficientRole:  {authtest.Scope("read")},
	} {
		if _, _, err := enter(claims...); !errors.Is(err, want) {
			t.Errorf("entered with %v, want %v", err, want)
		}
	}
	ctx, leave, err := enter(authtest.Roles("clerk"), authtest.Scope("read"))
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if err := g.Renew(ctx, iss.Token(session, authtest.Roles("clerk"))); !errors.Is(err, middleware.ErrInsufficientScope) {
		t.Errorf("renewed with %v", err)
	}
	g.RequireScope("read")(whoami).ServeHTTP(httptest.NewRecorder(), request().WithContext(ctx))
	if rules[:8][2] != nil {
		t.Error("a rule by which one call was reached has come to stand among the rules of all")
	}
}

func TestAnswerIsWhatRefuseSays(t *testing.T) {
	for err, want := range map[error]string{
		middleware.ErrNoCredential:      "401 no-credential",
		middleware.ErrRevoked:           "401 invalid-token",
		middleware.ErrRefreshNeeded:     "401 refresh-needed",
		middleware.ErrLoginNeeded:       "401 login-needed",
		middleware.ErrUnavailable:       "503 unavailable",
		middleware.ErrInsufficientScope: "403 insufficient-scope",
		errors.New("something else"):    "401 invalid-token",
	} {
		if status, code := middleware.Answer(err); fmt.Sprint(status, " ", code) != want {
			t.Errorf("%v: %d %s, want %s", err, status, code, want)
		}
	}
}
