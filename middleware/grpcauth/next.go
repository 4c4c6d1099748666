package grpcauth

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
)

// Next is middleware.Guard.Next for gRPC: credentials for calls to the next service,
// for the user whose call or request is being served, with a token for that service
// alone.
//
//	conn, err := grpc.NewClient("stock.example.com:443", grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(grpcauth.Next(guard, "stock")))
//	left, err := stockpb.NewStockClient(conn).Left(ctx, req) // the ctx of the method, or of the request
//
// The session is that of the call's context. Where that has none the call ends with
// UNAUTHENTICATED, where the issuer gives no token with UNAVAILABLE; it is not sent.
// Nor is a token sent over a connection that is not secure.
func Next(guard *middleware.Guard, audience string) credentials.PerRPCCredentials {
	return next(guard.NextToken(audience))
}

type next func(context.Context) (string, error)

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (token next) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	value, err := token(ctx)
	switch {
	case err == nil:
		return map[string]string{"authorization": "Bearer " + value}, nil
	case errors.Is(err, middleware.ErrExchange):
		return nil, status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, middleware.ErrNoCredential), isEnd(err):
		return nil, Refusal(err)
	}
	return nil, status.FromContextError(err).Err()
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (next) RequireTransportSecurity() bool { return true }
