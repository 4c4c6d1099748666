// Orders is a gRPC service behind a guard: its health is for everybody, all else for
// who is logged in.
//
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./orders
package main

import (
	"context"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

func main() {
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   os.Getenv("SEALRING_ISSUER"),
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	l, err := net.Listen("tcp", "127.0.0.1:8087")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server(guard)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(s.Serve(l))
}

func server(guard *middleware.Guard) (*grpc.Server, error) {
	auth, err := grpcauth.New(grpcauth.Config{
		Guard: guard,
		Rules: map[string][]middleware.Rule{"/shop.v1.Orders/Cancel": {middleware.Scopes("orders:write")}},
		Open:  []string{"/grpc.health.v1.Health/"},
	})
	if err != nil {
		return nil, err
	}
	s := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
	healthpb.RegisterHealthServer(s, health.NewServer())
	s.RegisterService(&orders, nil)
	return s, auth.Covers(s)
}

// orders is what protoc-gen-go-grpc makes of
//
//	service Orders {
//	  rpc Mine(google.protobuf.Empty) returns (google.protobuf.StringValue);
//	  rpc Cancel(google.protobuf.Empty) returns (google.protobuf.StringValue);
//	}
var orders = grpc.ServiceDesc{
	ServiceName: "shop.v1.Orders",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		method("Mine", func(s *middleware.Session) string { return "orders of " + s.Subject }),
		method("Cancel", func(s *middleware.Session) string { return "cancelled for " + s.Subject }),
	},
}

func method(name string, answer func(*middleware.Session) string) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		if err := decode(in); err != nil {
			return nil, err
		}
		handler := func(ctx context.Context, _ any) (any, error) {
			s, _ := middleware.FromContext(ctx)
			return wrapperspb.String(answer(s)), nil
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/shop.v1.Orders/" + name}, handler)
	}}
}
