package authtest

import (
	"context"
	"log/slog"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

// How long Guard and Await wait before they fail the test: in a bubble, as long as
// a follower may take until it looks again for an issuer that was away.
const (
	patience         = 10 * time.Second
	patienceInBubble = time.Minute
)

// Config is the configuration of a service that follows the issuer, logging
// nothing.
func (i *Issuer) Config() middleware.Config {
	return middleware.Config{
		Issuer:   i.URL,
		Audience: i.Audience,
		Client:   middleware.Client{ID: i.ClientID, Secret: i.ClientSecret},
		HTTP:     i.HTTP,
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// Guard returns a guard with Config, which is ready, and closes it when the test
// ends.
func (i *Issuer) Guard() *middleware.Guard {
	i.t.Helper()
	g, err := middleware.New(context.Background(), i.Config())
	if err != nil {
		i.t.Fatalf("authtest: making a guard: %v", err)
	}
	i.t.Cleanup(g.Close)
	i.Await(g)
	return g
}

// Await waits until a guard that follows the feed has heard all that has been
// done so far: it refuses what was revoked, the requests that it serves have
// ended with their sessions, and it has the new keys. It fails the test if that
// takes ten seconds (in a bubble, a minute), as it does while the feed is cut.
func (i *Issuer) Await(g *middleware.Guard) {
	i.t.Helper()
	wait := patience
	if i.HTTP != nil {
		wait = patienceInBubble
	}
	for end := time.Now().Add(wait); !i.heard(g); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			i.t.Fatalf("authtest: the guard has not heard all: %+v", g.Status())
		}
	}
}

func (i *Issuer) heard(g *middleware.Guard) bool {
	status := g.Status()
	i.mu.Lock()
	defer i.mu.Unlock()
	for s := range i.conns {
		if s.verifier != "" && i.verifiers[s.verifier] < i.gen {
			return false
		}
	}
	return status.Ready && status.Position == i.pos.String()
}
