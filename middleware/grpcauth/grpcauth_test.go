package grpcauth_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/grpcauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers with who calls. Its streams do as their handlers please.
type service struct {
	pb.UnimplementedTestServiceServer
	entered chan struct{} // a stream's handler runs
	left    chan error    // why it has ended
}

func (s *service) UnaryCall(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	session, ok := middleware.FromContext(ctx)
	if !ok {
		return nil, errors.New("no session")
	}
	return &pb.SimpleResponse{Username: session.Subject}, nil
}

func (s *service) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	s.entered <- struct{}{}
	<-ctx.Done()
	s.left <- context.Cause(ctx)
	return nil, ctx.Err()
}

// FullDuplexCall waits for the client.
func (s *service) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	s.entered <- struct{}{}
	for {
		if _, err := stream.Recv(); err != nil {
			s.left <- err
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{}); err != nil {
			s.left <- err
			return err
		}
	}
}

// StreamingOutputCall sends to a client that does not read.
func (s *service) StreamingOutputCall(_ *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	s.entered <- struct{}{}
	for {
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, 32<<10)}}); err != nil {
			s.left <- err
			return err
		}
	}
}

// StreamingInputCall waits for the session's end alone.
func (s *service) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	s.entered <- struct{}{}
	<-stream.Context().Done()
	s.left <- context.Cause(stream.Context())
	return stream.Context().Err()
}

// place is a server, its issuer and a client.
type place struct {
	t       *testing.T
	iss     *authtest.Issuer
	service *service
	conn    *grpc.ClientConn
	client  pb.TestServiceClient
}

func newPlace(t *testing.T, change func(*authtest.Issuer), options ...grpcauth.Option) *place {
	t.Helper()
	iss := authtest.New(t)
	if change != nil {
		change(iss)
	}
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer: iss.URL, Audience: iss.Audience, Client: middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		ClockSkew: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(guard.Close)
	if change == nil {
		eventually(t, "the guard is ready", guard.Ready)
	}
	auth := grpcauth.New(guard, options...)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
	p := &place{t: t, iss: iss, service: &service{entered: make(chan struct{}, 1), left: make(chan error, 1)}}
	pb.RegisterTestServiceServer(server, p.service)
	healthpb.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	p.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { _ = p.conn.Close() })
	p.client = pb.NewTestServiceClient(p.conn)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// with is a call's context with that metadata.
func with(t *testing.T, authorization ...string) context.Context {
	md := metadata.MD{"authorization": authorization}
	return metadata.NewOutgoingContext(t.Context(), md)
}

// wants fails unless an error is that status.
func wants(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || s.Message() != message {
		t.Errorf("%v %q, want %v %q", s.Code(), s.Message(), code, message)
	}
}

func TestACallIsJudgedByItsToken(t *testing.T) {
	p := newPlace(t, nil,
		grpcauth.RequireScope("/grpc.testing.TestService/UnaryCall", "read"),
		grpcauth.RequireRole("/grpc.testing.TestService/", "clerk"),
		grpcauth.RequireScope("/grpc.testing.Other/", "nobody has it"),
	)
	good := []authtest.Claim{authtest.Scope("read"), authtest.Roles("clerk")}
	token := p.iss.Token(good...)
	resp, err := p.client.UnaryCall(with(t, "Bearer "+token), &pb.SimpleRequest{})
	must(t, err)
	if resp.Username != "ann" {
		t.Errorf("the handler sees %q", resp.Username)
	}
	for name, c := range map[string]struct {
		authorization []string
		code          codes.Code
		message       string
	}{
		"nothing":                 {nil, codes.Unauthenticated, "no-credential"},
		"another scheme":          {[]string{"Basic YW5uOng="}, codes.Unauthenticated, "no-credential"},
		"a scheme in other case":  {[]string{"bearer " + token}, codes.OK, ""},
		"no token":                {[]string{"Bearer  "}, codes.InvalidArgument, "invalid-request"},
		"two tokens":              {[]string{"Bearer " + token, "Bearer " + token}, codes.InvalidArgument, "invalid-request"},
		"garbage":                 {[]string{"Bearer x.y.z"}, codes.Unauthenticated, "invalid-token"},
		"an expired token":        {[]string{"Bearer " + p.iss.Token(authtest.Issued(time.Now().Add(-time.Hour)))}, codes.Unauthenticated, "invalid-token"},
		"one for another service": {[]string{"Bearer " + p.iss.Token(authtest.Audience("mars"))}, codes.Unauthenticated, "invalid-token"},
		"one without the scope":   {[]string{"Bearer " + p.iss.Token(authtest.Roles("clerk"))}, codes.PermissionDenied, "insufficient-scope"},
		"one without the role":    {[]string{"Bearer " + p.iss.Token(authtest.Scope("read"))}, codes.PermissionDenied, "insufficient-role"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.client.UnaryCall(with(t, c.authorization...), &pb.SimpleRequest{})
			wants(t, err, c.code, c.message)
			stream, err := p.client.FullDuplexCall(with(t, c.authorization...))
			must(t, err)
			if c.code == codes.OK {
				must(t, stream.CloseSend())
				<-p.service.entered
				<-p.service.left
				return
			}
			if c.message == "insufficient-scope" { // of the other method
				return
			}
			_, err = stream.Recv()
			wants(t, err, c.code, c.message)
		})
	}
}

func TestAnOpenMethodNeedsNoToken(t *testing.T) {
	p := newPlace(t, nil, grpcauth.Open("/grpc.health.v1.Health/", "/grpc.testing.TestService/UnaryCal"))
	_, err := healthpb.NewHealthClient(p.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := healthpb.NewHealthClient(p.conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	must(t, err)
	_, err = watch.Recv()
	must(t, err)
	_, err = p.client.UnaryCall(t.Context(), &pb.SimpleRequest{}) // whose name only begins alike
	wants(t, err, codes.Unauthenticated, "no-credential")
}

func TestWithoutKeysACallIsToldToComeBack(t *testing.T) {
	p := newPlace(t, (*authtest.Issuer).Down)
	_, err := p.client.UnaryCall(with(t, "Bearer "+p.iss.Token()), &pb.SimpleRequest{})
	wants(t, err, codes.Unavailable, "unavailable")
}

// Whatever a handler waits for, it ends with its session, and so does the call.
func TestACallEndsWithItsSession(t *testing.T) {
	p := newPlace(t, nil)
	var idle chan struct{} // closed when the handler has ended
	calls := map[string]func(context.Context) error{
		"a unary call": func(ctx context.Context) error {
			_, err := p.client.EmptyCall(ctx, &pb.Empty{})
			return err
		},
		"a stream that waits for its client": func(ctx context.Context) error {
			stream, err := p.client.FullDuplexCall(ctx)
			must(t, err)
			must(t, stream.Send(&pb.StreamingOutputCallRequest{}))
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"a stream that waits for nothing else": func(ctx context.Context) error {
			stream, err := p.client.StreamingInputCall(ctx)
			must(t, err)
			return stream.RecvMsg(&pb.StreamingInputCallResponse{})
		},
		"a stream whose client does not read": func(ctx context.Context) error {
			stream, err := p.client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{})
			must(t, err)
			<-idle
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	}
	for name, call := range calls {
		for end, e := range map[string]struct {
			token func() string
			after func(token string)
		}{
			"revoked": {func() string { return p.iss.Token() }, func(token string) { p.iss.Revoke(token) }},
			"expired": {func() string { return p.iss.Token(authtest.Life(2 * time.Second)) }, func(string) {}},
		} {
			if end == "expired" && name != "a stream that waits for its client" {
				continue // takes three seconds
			}
			t.Run(name+" "+end, func(t *testing.T) {
				token, answer := e.token(), make(chan error, 1)
				idle = make(chan struct{})
				go func() { answer <- call(with(t, "Bearer "+token)) }()
				<-p.service.entered
				e.after(token)
				why := <-p.service.left
				close(idle)
				wants(t, <-answer, codes.Unauthenticated, "invalid-token")
				if why == nil || errors.Is(why, io.EOF) {
					t.Errorf("the handler ended by %v", why)
				}
			})
		}
	}
}
