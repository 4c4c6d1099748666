package grpcauth

import (
	"context"

	"google.golang.org/grpc"
)

// guarded is a stream whose context ends with its session. What waits for the
// client in it ends then too: the stream underneath knows nothing of sessions, and
// would wait on until the call is over, which it is when the handler returns.
type guarded struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *guarded) Context() context.Context { return s.ctx }

func (s *guarded) RecvMsg(m any) error {
	return s.do(func() error { return s.ServerStream.RecvMsg(m) })
}

func (s *guarded) SendMsg(m any) error {
	return s.do(func() error { return s.ServerStream.SendMsg(m) })
}

// do waits for an operation, or for the end of the session. What is then still
// under way ends with the call; its message must not be used any more, as after
// any error.
func (s *guarded) do(operation func() error) error {
	if cause := context.Cause(s.ctx); isOurs(cause) {
		return toStatus(cause)
	}
	done := make(chan error, 1)
	go func() { done <- operation() }()
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
	}
	if cause := context.Cause(s.ctx); isOurs(cause) {
		return toStatus(cause)
	}
	return <-done // the call itself is over
}
