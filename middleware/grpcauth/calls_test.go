package grpcauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

const (
	unary = testgrpc.TestService_UnaryCall_FullMethodName
)

func TestEveryMethodFindsTheSession(t *testing.T) {
	iss := authtest.New(t)
	client := serve(t, iss.Guard())
	token := iss.Token(authtest.Subject("ben"))
	if resp, err := client.UnaryCall(bearer(t, token), &testgrpc.SimpleRequest{}); err != nil || resp.GetUsername() != "ben" {
		t.Errorf("unary: %q, %v", resp.GetUsername(), err)
	}
	stream, err := client.FullDuplexCall(bearer(t, token))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(input("")); err != nil {
			t.Fatal(err)
		}
		if resp, err := stream.Recv(); err != nil || string(resp.GetPayload().GetBody()) != "ben" {
			t.Fatalf("stream: %q, %v", resp.GetPayload().GetBody(), err)
		}
	}
	up, err := client.StreamingInputCall(bearer(t, token))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := up.Send(&testgrpc.StreamingInputCallRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := up.CloseAndRecv(); err != nil || resp.GetAggregatedPayloadSize() != 3 {
		t.Errorf("client stream: %d messages, %v", resp.GetAggregatedPayloadSize(), err)
	}
}

func TestACallWithoutAGoodCredentialIsRefusedInTheWordsOfHTTP(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	client := serve(t, g)
	good := "Bearer " + iss.Token()
	revoked := iss.Token()
	iss.Revoke(revoked)
	iss.Await(g)
	for name, c := range map[string]struct {
		authorization []string
		reason        string
	}{
		"none":                 {nil, "no-credential"},
		"another scheme":       {[]string{"Basic YTpi"}, "no-credential"},
		"no token":             {[]string{"Bearer "}, "invalid-request"},
		"two values":           {[]string{good, good}, "invalid-request"},
		"garbage":              {[]string{"Bearer garbage"}, "invalid-token"},
		"a changed token":      {[]string{good + "A"}, "invalid-token"},
		"another audience":     {[]string{"Bearer " + iss.Token(authtest.Audience("billing"))}, "invalid-token"},
		"an expired token":     {[]string{"Bearer " + iss.Token(authtest.Issued(time.Now().Add(-time.Hour)))}, "invalid-token"},
		"a revoked session":    {[]string{"Bearer " + revoked}, "invalid-token"},
		"far too long a token": {[]string{"Bearer " + strings.Repeat("a", 40_000)}, "invalid-token"},
	} {
		for kind, open := range kinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				end, err := open(with(t, c.authorization...), client)
				if err == nil {
					err = end()
				}
				code := codes.Unauthenticated
				if c.reason == "invalid-request" {
					code = codes.InvalidArgument
				}
				wantRefused(t, err, code, c.reason)
				if got := codeOverHTTP(t, g, c.authorization); got != c.reason {
					t.Errorf("over HTTP it is %q", got)
				}
			})
		}
	}
}

// codeOverHTTP is what an HTTP request with these values is answered.
func codeOverHTTP(t *testing.T, g *middleware.Guard, authorization []string) string {
	t.Helper()
	r, w := httptest.NewRequest("POST", "/", nil), httptest.NewRecorder()
	r.Header["Authorization"] = authorization
	_, err := g.Check(r)
	if err == nil {
		t.Fatal("it is good over HTTP")
	}
	g.Refuse(w, r, err)
	var problem struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	return problem.Code
}

func TestRulesOfAServiceAndOfAMethodAddUp(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	client := serve(t, g, func(c *grpcauth.Config) {
		c.Rules = map[string][]middleware.Rule{
			"/grpc.testing.TestService/": {middleware.Scopes("read")},
			unary:                        {middleware.Scopes("write"), middleware.Roles("clerk"), g.Fresh(time.Hour)},
		}
	})
	token := func(claims ...authtest.Claim) string { return iss.Token(claims...) }
	scopes, clerk := authtest.Scope("read", "write"), authtest.Roles("clerk")
	for name, c := range map[string]struct {
		token  string
		reason string // empty: served
	}{
		"all":                   {token(scopes, clerk), ""},
		"not the service's":     {token(authtest.Scope("write"), clerk), "insufficient-scope"},
		"not the method's":      {token(authtest.Scope("read"), clerk), "insufficient-scope"},
		"not the method's role": {token(scopes), "insufficient-role"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.UnaryCall(bearer(t, c.token), &testgrpc.SimpleRequest{})
			if c.reason != "" {
				wantRefused(t, err, codes.PermissionDenied, c.reason)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := kinds["bidirectional stream"](bearer(t, token(authtest.Scope("read"))), client); err != nil {
		t.Errorf("a method without rules of its own: %v", err)
	}
	_, err := kinds["bidirectional stream"](bearer(t, token()), client)
	wantRefused(t, err, codes.PermissionDenied, "insufficient-scope")
}

func TestATokenThatIsNotFreshIsToBeRefreshed(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	client := serve(t, g, func(c *grpcauth.Config) {
		c.Rules = map[string][]middleware.Rule{unary: {g.Fresh(-time.Second)}} // nothing is
	})
	_, err := client.UnaryCall(bearer(t, iss.Token()), &testgrpc.SimpleRequest{})
	wantRefused(t, err, codes.Unauthenticated, "refresh-needed")
}

// A health checker has no session, or shows one that has ended long ago.
func TestAnOpenMethodNeedsNoToken(t *testing.T) {
	iss := authtest.New(t)
	auth, err := grpcauth.New(grpcauth.Config{
		Guard: iss.Guard(), Open: []string{"/grpc.health.v1.Health/", unary},
		Rules: map[string][]middleware.Rule{unary: {middleware.Scopes("read")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
	testgrpc.RegisterTestServiceServer(server, &service{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	conn := dial(t, server)
	client := testgrpc.NewTestServiceClient(conn)
	for _, ctx := range []context.Context{with(t), bearer(t, "garbage")} {
		if _, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
			t.Error(err)
		}
		watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Error(err)
		}
		if resp, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{}); err != nil || resp.GetUsername() != "nobody" {
			t.Errorf("%q, %v", resp.GetUsername(), err)
		}
	}
	_, err = kinds["bidirectional stream"](with(t), client)
	wantRefused(t, err, codes.Unauthenticated, "no-credential")
}

func TestARecentLoginIsAskedForInItsWords(t *testing.T) {
	iss := authtest.New(t)
	client := serve(t, iss.Guard(), func(c *grpcauth.Config) {
		c.Rules = map[string][]middleware.Rule{unary: {middleware.RecentLogin(5 * time.Minute)}}
	})
	_, err := client.UnaryCall(bearer(t, iss.Token(authtest.LoggedIn(time.Now().Add(-time.Hour)))), &testgrpc.SimpleRequest{})
	wantRefused(t, err, codes.Unauthenticated, "login-needed")
}

func TestWithoutKeysACallIsUnavailable(t *testing.T) {
	iss := authtest.New(t)
	token := iss.Token()
	iss.Down()
	client := serve(t, newGuard(t, iss, func(*middleware.Config) {}))
	_, err := client.UnaryCall(bearer(t, token), &testgrpc.SimpleRequest{})
	wantRefused(t, err, codes.Unavailable, "unavailable")
	_, err = kinds["bidirectional stream"](bearer(t, token), client)
	wantRefused(t, err, codes.Unavailable, "unavailable")
}

func TestAnOutageThatBeginsLaterRefusesNobody(t *testing.T) {
	iss := authtest.New(t)
	client := serve(t, iss.Guard())
	iss.Down()
	if _, err := client.UnaryCall(bearer(t, iss.Token()), &testgrpc.SimpleRequest{}); err != nil {
		t.Error(err)
	}
}

func TestNamesThatProtectNothingAreRefused(t *testing.T) {
	g := authtest.New(t).Guard()
	for _, name := range []string{"", "/", "//", "UnaryCall", "/grpc.testing.TestService", "grpc.testing.TestService/UnaryCall", "a/b/c", "/a/b/c", "//UnaryCall"} {
		for what, cfg := range map[string]grpcauth.Config{
			"rules": {Guard: g, Rules: map[string][]middleware.Rule{name: nil}},
			"open":  {Guard: g, Open: []string{name}},
		} {
			if _, err := grpcauth.New(cfg); !errors.Is(err, grpcauth.ErrConfig) {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	if _, err := grpcauth.New(grpcauth.Config{}); !errors.Is(err, grpcauth.ErrConfig) {
		t.Errorf("without a guard: %v", err)
	}
}
