package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

const (
	interval  = time.Second
	writeTime = 10 * time.Second // for one event
)

// dashboard has the streams that are open.
type dashboard struct {
	guard *middleware.Guard
	open  sync.Map // the contexts of streams, each by a name that nobody can guess
}

// events is one stream: its name first, then a status every second. The request's
// context ends with the session, and with the service, and its cause says which.
func (d *dashboard) events(w http.ResponseWriter, r *http.Request) {
	name := rand.Text()
	d.open.Store(name, r.Context())
	defer d.open.Delete(name)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for err := send(w, "name", name); err == nil; err = send(w, "status", statusOf(d.guard)) {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			_ = send(w, "end", middleware.CloseCode(context.Cause(r.Context())))
			return
		}
	}
}

// send writes one event. A client that does not read it is not waited for.
func send(w http.ResponseWriter, event string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	c := http.NewResponseController(w) // it works, for the guard does not wrap what it passes on
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text); err != nil {
		return err
	}
	return c.Flush()
}

// status is what the dashboard shows, and what an alarm would watch.
type status struct {
	Live        bool    `json:"live"`            // the feed is connected
	Fault       string  `json:"fault,omitempty"` // why not
	Lag         float64 `json:"lag"`             // seconds since the last that was heard of revocations
	Revocations int     `json:"revocations"`
	Requests    int     `json:"requests"` // this stream is one
}

func statusOf(guard *middleware.Guard) status {
	s := guard.Status()
	return status{s.Live, s.Fault, s.Lag.Seconds(), s.Revocations, s.Requests}
}

// renew has a stream go on with the cookie of this request: a page's script can not
// read it, but asks for this after each refresh.
func (d *dashboard) renew(w http.ResponseWriter, r *http.Request) {
	stream, ok := d.open.Load(r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	s, _ := middleware.FromContext(r.Context())
	if err := d.guard.Renew(stream.(context.Context), s.Token.Reveal()); err != nil {
		d.guard.Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
