package grpcauth_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

// fragile is a codec that does not stand every message.
type fragile struct{ encoding.CodecV2 }

func (f fragile) Unmarshal(data mem.BufferSlice, v any) error {
	if bytes.Contains(data.Materialize(), []byte("boom")) {
		panic("boom")
	}
	return f.CodecV2.Unmarshal(data, v)
}

// Messages are received in another goroutine. What that panics with has to come
// to where an interceptor of the server's may recover it.
func TestAPanicOnReceivingReachesTheInterceptors(t *testing.T) {
	iss := authtest.New(t)
	auth, err := grpcauth.New(grpcauth.Config{Guard: iss.Guard()})
	if err != nil {
		t.Fatal(err)
	}
	recovering := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = status.Error(codes.Internal, p.(string))
			}
		}()
		return next(srv, ss)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(fragile{encoding.GetCodecV2("proto")}),
		grpc.ChainStreamInterceptor(recovering, auth.Stream))
	testgrpc.RegisterTestServiceServer(server, &service{})
	stream, err := testgrpc.NewTestServiceClient(dial(t, server)).FullDuplexCall(bearer(t, iss.Token()))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(input("boom"))
	if _, err := stream.Recv(); status.Code(err) != codes.Internal || status.Convert(err).Message() != "boom" {
		t.Errorf("answer %v", err)
	}
}
