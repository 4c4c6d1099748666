package grpcauth_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

// front calls the next service for whoever calls it.
type front struct {
	testgrpc.UnimplementedTestServiceServer
	next testgrpc.TestServiceClient
}

func (f *front) UnaryCall(ctx context.Context, req *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return f.next.UnaryCall(ctx, req)
}

func TestAServiceCallsTheNextForItsUser(t *testing.T) {
	iss := authtest.New(t)
	guard := iss.Guard()
	stock := newGuard(t, iss, func(c *middleware.Config) { c.Audience = "stock" })
	iss.Await(stock)
	auth, err := grpcauth.New(grpcauth.Config{Guard: stock})
	if err != nil {
		t.Fatal(err)
	}
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	back := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certified.TLS.Certificates[0])), grpc.ChainUnaryInterceptor(auth.Unary))
	testgrpc.RegisterTestServiceServer(back, &service{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = back.Serve(l) }()
	t.Cleanup(back.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(trusted, "")),
		grpc.WithPerRPCCredentials(grpcauth.Next(guard, "stock")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	next := testgrpc.NewTestServiceClient(conn)

	inFront, err := grpcauth.New(grpcauth.Config{Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(inFront.Unary))
	testgrpc.RegisterTestServiceServer(server, &front{next: next})
	client := testgrpc.NewTestServiceClient(dial(t, server))
	ben := iss.Token(authtest.Subject("ben"))
	for range 3 {
		if resp, err := client.UnaryCall(bearer(t, ben), &testgrpc.SimpleRequest{}); err != nil || resp.GetUsername() != "ben" {
			t.Fatalf("the next service serves %q (%v)", resp.GetUsername(), err)
		}
	}
	if n := iss.Requests(authtest.TokenPath); n != 1 {
		t.Errorf("a token was asked for %d times", n)
	}
	_, err = next.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	wantRefused(t, err, codes.Unauthenticated, "no-credential")
	iss.Down()
	_, err = client.UnaryCall(bearer(t, iss.Token()), &testgrpc.SimpleRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("while the issuer is away: %v", err)
	}
}

func TestNothingIsSentToTheNextServiceInTheClear(t *testing.T) {
	guard := authtest.New(t).Guard()
	if _, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(grpcauth.Next(guard, "stock"))); err == nil {
		t.Error("a connection that is not secure is taken")
	}
}
