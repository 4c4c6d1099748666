package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/sealring-dev/sealring/middleware"
)

const (
	writeTime = 10 * time.Second // for one message to one member
	longest   = 4 << 10          // bytes of a message
)

// chat has the WebSockets of the room.
type chat struct {
	guard   *middleware.Guard
	room    room
	open    sync.Map // the contexts of WebSockets, each by a name that nobody can guess
	sockets sync.WaitGroup
}

// join is one WebSocket from beginning to end. The request's context ends with the
// session, and with the service, and its cause says which.
func (c *chat) join(w http.ResponseWriter, r *http.Request) {
	c.sockets.Add(1)
	defer c.sockets.Done()
	conn, err := websocket.Accept(w, r, nil) // not from a page of another origin: a browser sends its cookie for that too
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(longest)
	defer context.AfterFunc(r.Context(), func() {
		cause := context.Cause(r.Context())
		_ = conn.Close(websocket.StatusCode(middleware.CloseCode(cause)), cause.Error())
	})()

	name := rand.Text()
	c.open.Store(name, r.Context())
	defer c.open.Delete(name)
	s, _ := middleware.FromContext(r.Context())
	m := c.room.enter(s.Subject, message{Socket: name, From: s.Subject})
	defer c.room.leave(m)
	go write(conn, m)
	c.listen(conn, m)
}

// listen passes on what a member says, until the connection is closed.
func (c *chat) listen(conn *websocket.Conn, m *member) {
	for {
		var said message
		// The end of a read's context would break the connection without a code.
		if err := wsjson.Read(context.Background(), conn, &said); err != nil {
			return
		}
		c.room.say(message{From: m.subject, Text: said.Text}) // whatever it says of itself
	}
}

// write sends a member what it is told, until it leaves or does not keep up.
func write(conn *websocket.Conn, m *member) {
	for said := range m.told {
		ctx, cancel := context.WithTimeout(context.Background(), writeTime)
		err := wsjson.Write(ctx, conn, said)
		cancel()
		if err != nil {
			break
		}
	}
	_ = conn.Close(websocket.StatusTryAgainLater, "too slow") // nothing, if it has left
}

// renew has a WebSocket go on with the cookie of this request: a page's script can
// not read it, but asks for this after each refresh.
func (c *chat) renew(w http.ResponseWriter, r *http.Request) {
	socket, ok := c.open.Load(r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	s, _ := middleware.FromContext(r.Context())
	if err := c.guard.Renew(socket.(context.Context), s.Token.Reveal()); err != nil {
		c.guard.Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
