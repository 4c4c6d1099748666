package middleware_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

// streams are server-sent events that end with their session, and that a
// client keeps alive with fresh tokens.
type streams struct {
	guard *middleware.Guard
	open  sync.Map // by a name that nobody can guess: the stream's context
}

// events is one stream. Its first event names it, its last says why it ends. A
// browser reconnects by itself after that, and stops at a 401.
func (s *streams) events(w http.ResponseWriter, r *http.Request) {
	name := rand.Text()
	s.open.Store(name, r.Context())
	defer s.open.Delete(name)
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "event: hello\ndata: %s\n\n", name)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done() // and whatever there is to say meanwhile
	fmt.Fprintf(w, "event: end\ndata: %d\n\n", middleware.CloseCode(context.Cause(r.Context())))
}

// renew has a stream go on with the token, or the cookie, of this request.
func (s *streams) renew(w http.ResponseWriter, r *http.Request) {
	stream, ok := s.open.Load(r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	session, _ := middleware.FromContext(r.Context())
	if err := s.guard.Renew(stream.(context.Context), session.Token.Reveal()); err != nil {
		s.guard.Refuse(w, r, err)
		return
	}
	_, _ = io.WriteString(w, "renewed")
}

// A stream outlives its access token by requests that bring fresh ones, and
// ends when the session is revoked.
func ExampleGuard_Renew() {
	iss, guard := exampleGuard()
	defer iss.Close()
	defer guard.Close()
	s := &streams{guard: guard}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /events/{name}/renew", s.renew)
	server := httptest.NewServer(guard.Handler(mux))
	defer server.Close()

	session := authtest.SessionID(tokens.NewID()) // what the client logged in to
	token := iss.Token(session)
	req, _ := http.NewRequest(http.MethodGet, server.URL+"/events", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := server.Client().Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	name := nextData(events)

	fmt.Println(call(server, "POST /events/"+name+"/renew", iss.Token(session)))
	iss.Revoke(token)
	fmt.Println("the stream ends with", nextData(events))
	// Output:
	// 200 renewed
	// the stream ends with 4401
}

// A connection that its handler has taken over is closed by OnEnd, also after
// the handler has returned.
func ExampleOnEnd() {
	iss, guard := exampleGuard()
	defer iss.Close()
	defer guard.Close()
	server := httptest.NewServer(guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: example\r\n\r\n")
		_ = rw.Flush()
		done := middleware.OnEnd(r.Context(), func(cause error) {
			fmt.Fprintf(conn, "closed with %d\n", middleware.CloseCode(cause)) // a WebSocket has a frame for it
			_ = conn.Close()
		})
		go func() {
			defer done() // the client may hang up first
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}()
	})))
	defer server.Close()

	token := iss.Token()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: example\r\nAuthorization: Bearer %s\r\n\r\n", token)
	lines := bufio.NewScanner(conn)
	for lines.Scan() && lines.Text() != "" { // the answer's header
	}
	iss.Revoke(token)
	lines.Scan()
	fmt.Println(lines.Text())
	// Output:
	// closed with 4401
}

// exampleGuard is a guard that is ready.
func exampleGuard() (*authtest.Issuer, *middleware.Guard) {
	iss := authtest.New(exampleT{})
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer: iss.URL, Audience: iss.Audience, Client: middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	for !guard.Ready() {
		time.Sleep(time.Millisecond)
	}
	return iss, guard
}

// nextData is the data of the next event.
func nextData(events *bufio.Scanner) string {
	for events.Scan() {
		if data, ok := strings.CutPrefix(events.Text(), "data: "); ok {
			return data
		}
	}
	return "nothing"
}
