package grpcauth_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

func TestAMisspelledMethodIsNotCovered(t *testing.T) {
	g := authtest.New(t).Guard()
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, &service{})
	for name, covered := range map[string]bool{
		unary:                                     true,
		"/grpc.testing.TestService/":              true,
		"/grpc.testing.TestService/UnaryCal":      false,
		"/grpc.testing.TestServices/":             false,
		"/grpc.testing.TestServices/UnaryCall":    false,
		"/grpc.testing.TestService/unaryCall":     false,
		"/grpc.testing.TestService/UnaryCall2":    false,
		"/grpc.testing.UnimplementedService/":     false,
		"/grpc.testing.LoadBalancerStatsService/": false,
	} {
		auth, err := grpcauth.New(grpcauth.Config{Guard: g, Open: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if err := auth.Covers(server); covered != (err == nil) || err != nil && !errors.Is(err, grpcauth.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
