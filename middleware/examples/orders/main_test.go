package main

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestOrdersAreForWhoIsLoggedIn(t *testing.T) {
	iss := authtest.New(t)
	s, err := server(iss.Guard())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("the health: %v", err)
	}
	ann := iss.Token(authtest.Subject("ann"))
	for _, c := range []struct {
		method, token, want string
		code                codes.Code
	}{
		{"Mine", "", "", codes.Unauthenticated},
		{"Mine", ann, "orders of ann", codes.OK},
		{"Cancel", ann, "", codes.PermissionDenied},
		{"Cancel", iss.Token(authtest.Subject("bob"), authtest.Scope("orders:write")), "cancelled for bob", codes.OK},
	} {
		ctx := context.Context(t.Context())
		if c.token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
		}
		got := new(wrapperspb.StringValue)
		err := conn.Invoke(ctx, "/shop.v1.Orders/"+c.method, new(emptypb.Empty), got)
		if status.Code(err) != c.code || got.Value != c.want {
			t.Errorf("%s: %q, %v", c.method, got.Value, err)
		}
	}
}
