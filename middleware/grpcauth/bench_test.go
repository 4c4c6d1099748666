package grpcauth_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

// What a guard adds to a call, and to a message that is received and answered in a
// stream, over loopback. Both servers get the same token. over-bare-ns is how much
// longer it takes than without a guard, by the fastest of many alternating turns.
func BenchmarkGuarded(b *testing.B) {
	iss := authtest.New(b)
	auth, err := grpcauth.New(grpcauth.Config{Guard: iss.Guard()})
	if err != nil {
		b.Fatal(err)
	}
	ctx := bearer(b, iss.Token())
	client := func(options ...grpc.ServerOption) testgrpc.TestServiceClient {
		server := grpc.NewServer(options...)
		testgrpc.RegisterTestServiceServer(server, &service{})
		return testgrpc.NewTestServiceClient(dial(b, server))
	}
	clients := []testgrpc.TestServiceClient{
		client(), client(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream)),
	}
	var calls, messages []func() error
	for _, c := range clients {
		calls = append(calls, func() error {
			_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
			return err
		})
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			b.Fatal(err)
		}
		messages = append(messages, func() error {
			if err := stream.Send(input("")); err != nil {
				return err
			}
			_, err := stream.Recv()
			return err
		})
	}
	b.Run("call", func(b *testing.B) { compare(b, calls) })
	b.Run("message", func(b *testing.B) { compare(b, messages) })
}

// compare takes turns with the bare one and the guarded one.
func compare(b *testing.B, do []func() error) {
	const turn = 200
	fastest := make([]time.Duration, len(do))
	for b.Loop() {
		for i, f := range do {
			began := time.Now()
			for range turn {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			if d := time.Since(began) / turn; fastest[i] == 0 || d < fastest[i] {
				fastest[i] = d
			}
		}
	}
	b.ReportMetric(float64(fastest[0].Nanoseconds()), "bare-ns")
	b.ReportMetric(float64((fastest[1] - fastest[0]).Nanoseconds()), "over-bare-ns")
}
