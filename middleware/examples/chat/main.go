// Chat is a room over WebSockets. Who logs out, on whatever device and at whatever
// service, is out of the room at once, and their browser is told to log in (4401) or
// to refresh and come back (4408).
//
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./chat
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/sealring-dev/sealring/middleware"
)

func main() {
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   os.Getenv("SEALRING_ISSUER"),
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:8085", guard.Handler(&room{guard: guard})))
}

// room passes on what each says to all.
type room struct {
	guard *middleware.Guard

	mu      sync.Mutex
	members map[*websocket.Conn]string
}

// ServeHTTP has one member in the room until they leave, or their session ends.
func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := websocket.Accept(w, req, nil)
	if err != nil {
		return // it has been answered
	}
	defer conn.CloseNow()
	done := middleware.OnEnd(req.Context(), func(cause error) {
		_ = conn.Close(websocket.StatusCode(middleware.CloseCode(cause)), "the session has ended")
	})
	defer done()
	s, _ := middleware.FromContext(req.Context())
	r.enter(conn, s.Subject)
	defer r.leave(conn)
	ctx := context.WithoutCancel(req.Context()) // whose end would break the connection without a code
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		// A client that has refreshed says so, and stays beyond its first token.
		if token, ok := strings.CutPrefix(string(message), "/token "); ok {
			if err := r.guard.Renew(req.Context(), token); err != nil {
				_ = conn.Close(websocket.StatusCode(middleware.CloseCode(err)), "the token is not good")
				return
			}
			continue
		}
		r.tell(ctx, s.Subject+": "+string(message))
	}
}

func (r *room) enter(conn *websocket.Conn, who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members == nil {
		r.members = map[*websocket.Conn]string{}
	}
	r.members[conn] = who
}

func (r *room) leave(conn *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, conn)
}

// tell gives nobody more than a second: who does not listen holds up nobody else.
func (r *room) tell(ctx context.Context, what string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.members {
		_ = conn.Write(ctx, websocket.MessageText, []byte(what)) // its own reader notices
	}
}
