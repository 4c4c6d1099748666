package grpcauth

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sealring-dev/sealring/middleware"
)

// Unary is a grpc.UnaryServerInterceptor.
func (i *Interceptors) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if i.isOpen(info.FullMethod) {
		return next(ctx, req)
	}
	in, done, err := i.enter(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer done()
	resp, err := next(in, req)
	if cause := ended(in); err != nil && cause != nil {
		return nil, Refusal(cause)
	}
	return resp, err
}

// Stream is a grpc.StreamServerInterceptor.
func (i *Interceptors) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if i.isOpen(info.FullMethod) {
		return next(srv, ss)
	}
	in, done, err := i.enter(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer done()
	err = next(srv, &guarded{ss, in})
	if cause := ended(in); cause != nil { // also where the method took it for the end of its work
		return Refusal(cause)
	}
	return err
}

func (i *Interceptors) enter(ctx context.Context, method string) (context.Context, func(), error) {
	authorization := metadata.ValueFromIncomingContext(ctx, "authorization")
	in, done, err := i.guard.Enter(ctx, method, authorization, i.of(method)...)
	if err != nil {
		return nil, nil, Refusal(err)
	}
	return in, done, nil
}

// ended returns why the session of a call has ended, if somebody was told so: nil
// for every other end of a call.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); isEnd(cause) {
		return cause
	}
	return nil
}

// isEnd tells the end of a session from other causes.
func isEnd(cause error) bool {
	return errors.Is(cause, middleware.ErrInvalidToken) || errors.Is(cause, middleware.ErrRefreshNeeded)
}
