// Package grpcauth stands before the methods of a gRPC service, as
// middleware.Guard.Handler stands before HTTP handlers, and by the same guard.
//
//	auth, err := grpcauth.New(grpcauth.Config{
//		Guard: guard,
//		Rules: map[string][]middleware.Rule{
//			orderspb.Orders_Create_FullMethodName: {middleware.Scopes("orders:write")},
//			orderspb.Orders_Pay_FullMethodName:    {middleware.Scopes("orders:pay"), guard.Fresh(2 * time.Second)},
//		},
//		Open: []string{"/grpc.health.v1.Health/"},
//	})
//	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary), grpc.ChainStreamInterceptor(auth.Stream))
//	orderspb.RegisterOrdersServer(server, orders)
//	err = auth.Covers(server)
//
// The access token comes in the metadata "authorization", as "Bearer TOKEN" (RFC
// 6750 §2.1). A method finds the session by middleware.FromContext. There are no
// cookies here: a page calls through a gateway, which passes the token on.
//
// # How a call ends with its session
//
// The context ends, with the same cause as under Handler, when the session is
// revoked or its token has expired. What waits for the client in a stream, Recv or
// Send, knows nothing of contexts and ends then too, so that a method which serves
// in a loop returns by itself. Whatever it returns, the client is told why. For
// that each message is received and sent in a goroutine of its own, which costs two
// microseconds each. middleware.Guard.Renew lets a stream outlive its token: the
// client sends the fresh one in a message or in another call.
//
// # Refusals
//
// A caller gets UNAUTHENTICATED without a good token, PERMISSION_DENIED where the
// session lacks a scope or role, UNAVAILABLE while there are no keys, so that nobody
// is logged out by an outage, and INVALID_ARGUMENT for more than one token or a
// malformed one. The message is the code of the problem document that an HTTP
// caller would get, such as "refresh-needed".
package grpcauth
