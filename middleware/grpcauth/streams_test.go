package grpcauth_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
	"github.com/sealring-dev/sealring/tokens"
)

// Whatever a method waits for, its context, a message or nothing at all: the
// client hears within a second that its session was revoked, and nobody else's
// call ends.
func TestACallEndsWhenItsSessionIsRevoked(t *testing.T) {
	for kind, open := range kinds {
		t.Run(kind, func(t *testing.T) {
			iss := authtest.New(t)
			g := iss.Guard()
			client := serve(t, g)
			token := iss.Token()
			end, err := open(bearer(t, token), client)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kinds["client stream"](bearer(t, iss.Token()), client); err != nil {
				t.Fatal(err)
			}
			eventually(t, "both are served", func() bool { return g.Status().Requests == 2 })

			began := time.Now()
			iss.Revoke(token)
			err = end()
			took := time.Since(began)
			wantRefused(t, err, codes.Unauthenticated, "invalid-token")
			if took > time.Second {
				t.Errorf("it ended after %v", took)
			}
			eventually(t, "one is left", func() bool { return g.Status().Requests == 1 })
		})
	}
}

// A method that waits until its client has room for more does not wait for ever.
func TestAMethodWhoseClientDoesNotReadEndsToo(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	token := iss.Token()
	if _, err := kinds["server stream that never looks up"](bearer(t, token), serve(t, g)); err != nil {
		t.Fatal(err)
	}
	iss.Revoke(token)
	eventually(t, "nothing is left", func() bool { return g.Status().Requests == 0 })
}

func TestACallEndsWhenItsTokenExpires(t *testing.T) {
	for kind, open := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			iss := authtest.New(t)
			g := newGuard(t, iss, func(c *middleware.Config) { c.ClockSkew = time.Millisecond })
			iss.Await(g)
			client := serve(t, g)
			token := iss.Token(authtest.Issued(time.Now()), authtest.Life(2*time.Second))
			end, err := open(bearer(t, token), client)
			if err != nil {
				t.Fatal(err)
			}
			wantRefused(t, end(), codes.Unauthenticated, "invalid-token")
		})
	}
}

func TestAStreamOutlivesItsTokenByAFreshOne(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	client := serve(t, g, func(c *grpcauth.Config) {
		c.Rules = map[string][]middleware.Rule{testgrpc.TestService_FullDuplexCall_FullMethodName: {middleware.Scopes("read")}}
	})
	session, read := authtest.SessionID(tokens.NewID()), authtest.Scope("read")
	old := iss.Token(session, read)
	stream, err := client.FullDuplexCall(bearer(t, old))
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) error {
		if err := stream.Send(input(text)); err != nil {
			return err
		}
		_, err := stream.Recv()
		return err
	}
	if err := say(iss.Token(session, read)); err != nil {
		t.Fatal(err)
	}
	iss.RevokeToken(old)
	iss.Await(g)
	if err := say(""); err != nil {
		t.Errorf("the old token's end has ended the stream: %v", err)
	}
	wantRefused(t, say(iss.Token(session)), codes.PermissionDenied, "insufficient-scope")
}

func TestAStreamWhoseClaimsAreStaleIsToBeRefreshed(t *testing.T) {
	iss := authtest.New(t)
	client := serve(t, iss.Guard())
	end, err := kinds["bidirectional stream"](bearer(t, iss.Token(authtest.Subject("ben"))), client)
	if err != nil {
		t.Fatal(err)
	}
	iss.RevokeClaims("ben")
	wantRefused(t, end(), codes.Unauthenticated, "refresh-needed")
}

func TestAClientThatGoesAwayIsNotTakenForTheEndOfASession(t *testing.T) {
	iss := authtest.New(t)
	g := iss.Guard()
	auth, err := grpcauth.New(grpcauth.Config{Guard: g})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan error, 1) // what the methods' interceptors returned
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			resp, err := auth.Unary(ctx, req, info, next)
			said <- err
			return resp, err
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			err := auth.Stream(srv, ss, info, next)
			said <- err
			return err
		}))
	testgrpc.RegisterTestServiceServer(server, &service{guard: g})
	client := testgrpc.NewTestServiceClient(dial(t, server))
	for kind, open := range kinds {
		ctx, cancel := context.WithCancel(bearer(t, iss.Token()))
		end, err := open(ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is served", func() bool { return g.Status().Requests == 1 })
		cancel()
		if err := end(); status.Code(err) != codes.Canceled {
			t.Errorf("%s: the client hears %v", kind, err)
		}
		if err := <-said; status.Code(err) == codes.Unauthenticated {
			t.Errorf("%s: the server says %v", kind, err)
		}
	}
}
