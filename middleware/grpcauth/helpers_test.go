package grpcauth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every call.
const patience = 20 * time.Second

// service is gRPC's own test service, with methods of every kind. Each answers
// with the subject and then goes on until the client has finished.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	guard *middleware.Guard
}

// UnaryCall answers at once, or when its context has ended if the request asks
// for the status of that.
func (s *service) UnaryCall(ctx context.Context, req *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if req.GetResponseStatus() != nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &testgrpc.SimpleResponse{Username: subject(ctx)}, nil
}

// StreamingOutputCall sends one message, and takes the end of its context for
// the end of its work. If the request asks for a status it sends 32 KiB again and
// again, and looks at nothing else.
func (s *service) StreamingOutputCall(req *testgrpc.StreamingOutputCallRequest, ss grpc.ServerStreamingServer[testgrpc.StreamingOutputCallResponse]) error {
	for req.GetResponseStatus() != nil {
		if err := ss.Send(output(strings.Repeat("a", 32<<10))); err != nil {
			return err
		}
	}
	if err := ss.Send(output(subject(ss.Context()))); err != nil {
		return err
	}
	<-ss.Context().Done()
	return nil
}

// StreamingInputCall receives, whatever its context says.
func (s *service) StreamingInputCall(ss grpc.ClientStreamingServer[testgrpc.StreamingInputCallRequest, testgrpc.StreamingInputCallResponse]) error {
	for n := int32(0); ; n++ {
		switch _, err := ss.Recv(); {
		case errors.Is(err, io.EOF):
			return ss.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: n})
		case err != nil:
			return err
		}
	}
}

// FullDuplexCall answers each message with the subject. A message that is not
// empty is a fresh token.
func (s *service) FullDuplexCall(ss grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error {
	for {
		req, err := ss.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if token := string(req.GetPayload().GetBody()); token != "" {
			if err := s.guard.Renew(ss.Context(), token); err != nil {
				return grpcauth.Refusal(err)
			}
		}
		if err := ss.Send(output(subject(ss.Context()))); err != nil {
			return err
		}
	}
}

func subject(ctx context.Context) string {
	s, ok := middleware.FromContext(ctx)
	if !ok {
		return "nobody"
	}
	return s.Subject
}

func output(text string) *testgrpc.StreamingOutputCallResponse {
	return &testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: []byte(text)}}
}

func input(text string) *testgrpc.StreamingOutputCallRequest {
	return &testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte(text)}}
}

// serve has a guard stand before the service, on a loopback port.
func serve(t *testing.T, g *middleware.Guard, change ...func(*grpcauth.Config)) testgrpc.TestServiceClient {
	t.Helper()
	cfg := grpcauth.Config{Guard: g}
	for _, c := range change {
		c(&cfg)
	}
	auth, err := grpcauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
	testgrpc.RegisterTestServiceServer(server, &service{guard: g})
	healthpb.RegisterHealthServer(server, health.NewServer())
	if err := auth.Covers(server); err != nil {
		t.Fatal(err)
	}
	return testgrpc.NewTestServiceClient(dial(t, server))
}

// dial starts a server on a loopback port and returns a connection to it.
func dial(t testing.TB, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// with is the context of a call with these Authorization values.
func with(t testing.TB, authorization ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return ctx
}

func bearer(t testing.TB, token string) context.Context { return with(t, "Bearer "+token) }

// kinds are a call of each kind. It is open when one returns, and the function
// that it returns waits for its end.
var kinds = map[string]func(context.Context, testgrpc.TestServiceClient) (end func() error, err error){
	"unary": func(ctx context.Context, c testgrpc.TestServiceClient) (func() error, error) {
		done := make(chan error, 1)
		go func() {
			_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{}})
			done <- err
		}()
		return func() error { return <-done }, nil
	},
	"server stream": func(ctx context.Context, c testgrpc.TestServiceClient) (func() error, error) {
		s, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
		if err != nil {
			return nil, err
		}
		_, err = s.Recv()
		return func() error { _, err := s.Recv(); return err }, err
	},
	"server stream that never looks up": func(ctx context.Context, c testgrpc.TestServiceClient) (func() error, error) {
		s, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{ResponseStatus: &testgrpc.EchoStatus{}})
		if err != nil {
			return nil, err
		}
		_, err = s.Recv()
		return func() error {
			for {
				if _, err := s.Recv(); err != nil {
					return err
				}
			}
		}, err
	},
	"client stream": func(ctx context.Context, c testgrpc.TestServiceClient) (func() error, error) {
		s, err := c.StreamingInputCall(ctx)
		if err != nil {
			return nil, err
		}
		_ = s.Send(&testgrpc.StreamingInputCallRequest{}) // only receiving says why it can not
		return func() error { return s.RecvMsg(new(testgrpc.StreamingInputCallResponse)) }, nil
	},
	"bidirectional stream": func(ctx context.Context, c testgrpc.TestServiceClient) (func() error, error) {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			return nil, err
		}
		_ = s.Send(input(""))
		_, err = s.Recv()
		return func() error { _, err := s.Recv(); return err }, err
	},
}

// wantRefused demands a refusal with that code and message.
func wantRefused(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || s.Message() != message {
		t.Fatalf("answer %v %q, want %v %q", s.Code(), s.Message(), code, message)
	}
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// newGuard is a guard that follows iss; it need not be ready.
func newGuard(t *testing.T, iss *authtest.Issuer, change func(*middleware.Config)) *middleware.Guard {
	t.Helper()
	cfg := iss.Config()
	change(&cfg)
	g, err := middleware.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}
