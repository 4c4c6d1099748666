// Package websocket tests sessions behind the WebSockets of a library. It is
// run by a test of the middleware.
package websocket

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

const patience = 10 * time.Second

// socket is how a service has its WebSockets end with their sessions. A
// message "token …" renews the session; everything else is echoed.
func socket(guard *middleware.Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		done := middleware.OnEnd(r.Context(), func(cause error) { closeFor(conn, cause) })
		defer done()
		ctx := context.WithoutCancel(r.Context()) // its end would break the connection without a code
		for {
			_, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if token, ok := strings.CutPrefix(string(message), "token "); ok {
				if err := guard.Renew(r.Context(), token); err != nil {
					closeFor(conn, err)
					return
				}
				message = []byte("renewed")
			}
			if conn.Write(ctx, websocket.MessageText, message) != nil {
				return
			}
		}
	}
}

func closeFor(conn *websocket.Conn, cause error) {
	_ = conn.Close(websocket.StatusCode(middleware.CloseCode(cause)), "the session has ended")
}

// leaving is socket for those whose handler returns and leaves the connection
// to a goroutine.
func leaving(guard *middleware.Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		done := middleware.OnEnd(r.Context(), func(cause error) { closeFor(conn, cause) })
		go func() {
			defer done()
			defer conn.CloseNow()
			for {
				kind, message, err := conn.Read(context.Background())
				if err != nil || conn.Write(context.Background(), kind, message) != nil {
					return
				}
			}
		}()
	}
}

// service is a service with such sockets.
type service struct {
	iss   *authtest.Issuer
	guard *middleware.Guard
	url   string
}

func newService(t *testing.T, change func(*middleware.Config)) *service {
	t.Helper()
	iss := authtest.New(t)
	cfg := middleware.Config{
		Issuer: iss.URL, Audience: iss.Audience, Client: middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	guard, err := middleware.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	for end := time.Now().Add(patience); !guard.Ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the guard does not become ready")
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/socket", guard.Handler(socket(guard)))
	mux.Handle("/leaving", guard.Handler(leaving(guard)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &service{iss, guard, server.URL}
}

// dial opens a WebSocket and shows that it is served.
func (s *service) dial(t *testing.T, path, token string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.url+path, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	wantEcho(t, conn, "hello", "hello")
	return conn
}

func wantEcho(t *testing.T, conn *websocket.Conn, send, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte(send)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != want {
		t.Fatalf("echo %q, %v", got, err)
	}
}

// wantClosed demands that the server closes the connection with that code, and
// lets go of it.
func (s *service) wantClosed(t *testing.T, conn *websocket.Conn, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, message, err := conn.Read(ctx)
	if got := int(websocket.CloseStatus(err)); got != code {
		t.Fatalf("closed with %d (%q, %v), want %d", got, message, err, code)
	}
	for end := time.Now().Add(patience); s.guard.Status().Requests > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the guard has not let go of the connection")
		}
	}
}

func TestARevokedWebSocketIsClosed(t *testing.T) {
	for _, path := range []string{"/socket", "/leaving"} {
		t.Run(path, func(t *testing.T) {
			s := newService(t, nil)
			token := s.iss.Token()
			conn := s.dial(t, path, token)
			began := time.Now()
			s.iss.Revoke(token)
			s.wantClosed(t, conn, 4401)
			t.Logf("closed %v after the revocation", time.Since(began))
		})
	}
}

func TestAWebSocketIsRenewedInPlace(t *testing.T) {
	s := newService(t, func(c *middleware.Config) { c.ClockSkew = 2 * time.Second })
	sid, issued := authtest.SessionID(tokens.NewID()), time.Now()
	conn := s.dial(t, "/socket", s.iss.Token(sid, authtest.Life(time.Second)))
	fresh := s.iss.Token(sid)
	wantEcho(t, conn, "token "+fresh, "renewed")
	time.Sleep(time.Until(issued.Add(3*time.Second + 100*time.Millisecond))) // past the first token's end and leeway
	wantEcho(t, conn, "still here", "still here")
	s.iss.Revoke(fresh)
	s.wantClosed(t, conn, 4401)
}

func TestATokenOfAnotherSessionClosesAWebSocket(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial(t, "/socket", s.iss.Token())
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("token "+s.iss.Token())); err != nil {
		t.Fatal(err)
	}
	s.wantClosed(t, conn, 4401)
}

func TestAWebSocketWithoutAFeedIsClosedAsStale(t *testing.T) {
	s := newService(t, func(c *middleware.Config) { c.MaxStale = 2 * time.Second })
	conn := s.dial(t, "/socket", s.iss.Token())
	s.iss.CutFeed()
	s.wantClosed(t, conn, 4408)
}

func TestAWebSocketThatItsClientClosesLeavesNothingBehind(t *testing.T) {
	for _, path := range []string{"/socket", "/leaving"} {
		t.Run(path, func(t *testing.T) {
			s := newService(t, nil)
			conn := s.dial(t, path, s.iss.Token())
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			for end := time.Now().Add(patience); s.guard.Status().Requests > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the guard has not let go of the connection")
				}
			}
		})
	}
}

func TestAWebSocketWithoutASessionIsRefused(t *testing.T) {
	s := newService(t, nil)
	_, resp, err := websocket.Dial(t.Context(), s.url+"/socket", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("answer %v, %v", resp, err)
	}
}
