package authtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
)

// InBubble is New for a test in a bubble of testing/synctest, where hours pass
// while everybody waits: tokens expire, streams end, keys grow old.
//
//	synctest.Test(t, func(t *testing.T) {
//		iss := authtest.InBubble(t)
//		guard := iss.Guard()
//		// … a token is good
//		time.Sleep(10 * time.Minute)
//		// … and expired, a millisecond later
//	})
//
// A bubble's clock stands while anything waits for a socket, so this issuer has
// none: it is reached by its HTTP client, which Config has, and by nothing else.
func InBubble(t testing.TB) *Issuer {
	t.Helper()
	i := newIssuer(t)
	wire := &wire{conns: make(chan net.Conn), closed: make(chan struct{})}
	_ = i.server.Listener.Close()
	i.server.Listener = wire
	i.server.Start()
	i.URL = "http://" + wire.String()
	i.HTTP = &http.Client{Transport: &http.Transport{DialContext: wire.dial}}
	return i
}

// wire is a net.Listener, and its own address, whose connections are in memory.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case w.conns <- there:
		return here, nil
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return w }

// Network implements net.Addr.
func (w *wire) Network() string { return "memory" }

// String implements net.Addr. An issuer may be reached over http on this machine
// alone, and so this is what it is called.
func (w *wire) String() string { return "issuer.localhost" }
