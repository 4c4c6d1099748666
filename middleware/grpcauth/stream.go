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
	if err := s.over(); err != nil {
		return err
	}
	done := make(chan result, 1)
	go func() { done <- caught(operation) }()
	select {
	case r := <-done:
		return r.get()
	case <-s.ctx.Done():
	}
	if err := s.over(); err != nil {
		return err
	}
	return (<-done).get() // the call itself is over, and gRPC knows
}

// over is why nothing is received or sent any more, if the session has ended.
func (s *guarded) over() error {
	if s.ctx.Err() == nil {
		return nil
	}
	if cause := ended(s.ctx); cause != nil {
		return Refusal(cause)
	}
	return nil
}

// result is what became of an operation: its error, or what it panicked with,
// which is to reach who called it and not to end the process.
type result struct {
	err      error
	panicked any
}

func caught(operation func() error) (r result) {
	defer func() { r.panicked = recover() }()
	return result{err: operation()}
}

func (r result) get() error {
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}
