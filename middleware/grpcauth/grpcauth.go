// Package grpcauth lets a gRPC server trust its callers by a guard, as package
// middleware does for net/http:
//
//	auth := grpcauth.New(guard,
//		grpcauth.Open("/grpc.health.v1.Health/"),
//		grpcauth.RequireScope("/shop.v1.Orders/Cancel", "orders:write"),
//	)
//	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
//
// The access token comes in the metadata "authorization", as "Bearer TOKEN" (RFC
// 6750 §2.1). A handler finds the session by middleware.FromContext. Its context ends
// with the session, also in the middle of a stream that waits for its client, and the
// call ends with UNAUTHENTICATED.
//
// A caller gets UNAUTHENTICATED without a good token, PERMISSION_DENIED where the
// session lacks a scope or role, UNAVAILABLE while there are no keys, and
// INVALID_ARGUMENT for more than one token or a malformed one. The message is the
// code of the problem document that an HTTP caller would get, such as
// "refresh-needed".
package grpcauth

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
)

// Auth holds the calls of a server to a guard. Its methods are interceptors.
type Auth struct {
	guard *middleware.Guard
	open  []string
	rules []rule
}

// rule is what a method demands of its callers.
type rule struct {
	method string
	check  func(*middleware.Session) error
}

// Option says what is special about some methods. A method is named as gRPC does,
// "/package.Service/Method"; a name that ends in a slash stands for all methods of a
// service.
type Option func(*Auth)

// Open lets everybody call the methods, without looking for a token.
func Open(methods ...string) Option {
	return func(a *Auth) { a.open = append(a.open, methods...) }
}

// RequireScope demands that the session carries every one of the scopes.
func RequireScope(method string, scopes ...string) Option {
	return require(method, func(s *middleware.Session) error {
		for _, scope := range scopes {
			if !s.HasScope(scope) {
				return middleware.ErrInsufficientScope
			}
		}
		return nil
	})
}

// RequireRole demands that the session carries every one of the roles.
func RequireRole(method string, roles ...string) Option {
	return require(method, func(s *middleware.Session) error {
		for _, role := range roles {
			if !s.HasRole(role) {
				return middleware.ErrInsufficientRole
			}
		}
		return nil
	})
}

func require(method string, check func(*middleware.Session) error) Option {
	return func(a *Auth) { a.rules = append(a.rules, rule{method, check}) }
}

// New returns the interceptors of a guard. Every method that Open does not name
// needs a session.
func New(guard *middleware.Guard, options ...Option) *Auth {
	a := &Auth{guard: guard}
	for _, o := range options {
		o(a)
	}
	return a
}

// Unary is a grpc.UnaryServerInterceptor.
func (a *Auth) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if a.isOpen(info.FullMethod) {
		return next(ctx, req)
	}
	in, done, err := a.enter(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer done()
	resp, err := next(in, req)
	return resp, ending(in, err)
}

// Stream is a grpc.StreamServerInterceptor.
func (a *Auth) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if a.isOpen(info.FullMethod) {
		return next(srv, stream)
	}
	in, done, err := a.enter(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer done()
	return ending(in, next(srv, &guarded{stream, in}))
}

func (a *Auth) enter(ctx context.Context, method string) (context.Context, func(), error) {
	token, err := bearer(ctx)
	if err != nil {
		return nil, nil, toStatus(err)
	}
	var checks []func(*middleware.Session) error
	for _, r := range a.rules {
		if names(r.method, method) {
			checks = append(checks, r.check)
		}
	}
	in, done, err := a.guard.Enter(ctx, token, method, checks...)
	if err != nil {
		return nil, nil, toStatus(err)
	}
	return in, done, nil
}

func (a *Auth) isOpen(method string) bool {
	for _, name := range a.open {
		if names(name, method) {
			return true
		}
	}
	return false
}

// names reports whether a name of an option means the method.
func names(name, method string) bool {
	return name == method || strings.HasSuffix(name, "/") && strings.HasPrefix(method, name)
}

// bearer is the one token that a call shows.
func bearer(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch values := md["authorization"]; len(values) {
	case 0:
		return "", middleware.ErrNoCredential
	case 1:
		scheme, token, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", middleware.ErrNoCredential // another scheme is none of ours
		}
		if token = strings.TrimLeft(token, " "); token == "" {
			return "", middleware.ErrMalformed
		}
		return token, nil
	default:
		return "", middleware.ErrManyCredentials
	}
}

// ending is what a call comes to whose session has ended meanwhile.
func ending(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && isOurs(cause) {
		return toStatus(cause)
	}
	return err
}

// isOurs tells the end of a session from any other end of a call.
func isOurs(cause error) bool {
	return errors.Is(cause, middleware.ErrInvalidToken) || errors.Is(cause, middleware.ErrRefreshNeeded)
}

// toStatus is an error of the guard as a status of gRPC.
func toStatus(err error) error {
	for _, a := range []struct {
		err     error
		code    codes.Code
		message string
	}{
		{middleware.ErrNoCredential, codes.Unauthenticated, "no-credential"},
		{middleware.ErrManyCredentials, codes.InvalidArgument, "invalid-request"},
		{middleware.ErrMalformed, codes.InvalidArgument, "invalid-request"},
		{middleware.ErrRefreshNeeded, codes.Unauthenticated, "refresh-needed"},
		{middleware.ErrUnavailable, codes.Unavailable, "unavailable"},
		{middleware.ErrInsufficientScope, codes.PermissionDenied, "insufficient-scope"},
		{middleware.ErrInsufficientRole, codes.PermissionDenied, "insufficient-role"},
	} {
		if errors.Is(err, a.err) {
			return status.Error(a.code, a.message)
		}
	}
	return status.Error(codes.Unauthenticated, "invalid-token")
}
