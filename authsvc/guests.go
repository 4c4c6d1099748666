package authsvc

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	announceEvery = 10 * time.Second // a third of verifierLease: two may fail
	announceLook  = 250 * time.Millisecond
	announcers    = 16 // at once
)

// guests are the verifiers that follow a relay. It announces each to the
// upstream, in the verifier's own name, for as long as it is here: a rotation
// waits for those that the issuer knows of.
type guests struct {
	mu  sync.Mutex
	all map[*guest]struct{}
}

type guest struct {
	who *verifier
	caller
	due time.Time // belongs to guests.mu
}

func newGuests() *guests { return &guests{all: map[*guest]struct{}{}} }

func (g *guests) add(who *verifier, c caller) (leave func()) {
	one := &guest{who: who, caller: c}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all[one] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.all, one)
	}
}

// due returns those to announce now, and sets when they are due next.
func (g *guests) due(now time.Time) (all []*guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for one := range g.all {
		if !now.Before(one.due) {
			one.due = now.Add(announceEvery - announceEvery/4 + rand.N(announceEvery/2))
			all = append(all, one)
		}
	}
	return all
}

// soon has those of one verifier announced as soon as possible.
func (g *guests) soon(who *verifier) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for one := range g.all {
		if one.who == who {
			one.due = time.Time{}
		}
	}
}

// announceGuests announces each guest when it is due.
func (r *Relay) announceGuests(ctx context.Context) {
	for pause(ctx, announceLook) {
		var wg sync.WaitGroup
		work := make(chan *guest)
		due := r.guests.due(r.now())
		for range min(len(due), announcers) {
			wg.Go(func() {
				for one := range work {
					if !r.announce(ctx, one) {
						r.guests.soon(one.who)
					}
				}
			})
		}
		for _, one := range due {
			work <- one
		}
		close(work)
		wg.Wait()
	}
}

// announce tells the upstream what a guest holds, and reports whether that
// need not be tried again at once.
func (r *Relay) announce(ctx context.Context, one *guest) bool {
	generation, pos := r.verifiers.holding(one.who)
	if pos == (revocation.Position{}) {
		return false // nothing was sent to it yet
	}
	t, err := r.report(ctx, one.caller, one.who.name.id, generation, pos)
	if err == nil && t.status == http.StatusUnauthorized {
		r.vouchers.forget(one.caller)
	}
	return true
}

// report is POST /v1/feed/held in the name of c.
func (r *Relay) report(ctx context.Context, c caller, id tokens.ID, generation uint64, pos revocation.Position) (*told, error) {
	body, err := json.Marshal(openapi.Held{Verifier: id.String(), Generation: int64(generation), Position: pos.String()})
	if err != nil {
		return nil, err
	}
	return r.upstream.ask(ctx, question{method: http.MethodPost, path: heldPath, authorization: c.authorization, body: body})
}

// holding is what a follower has said that it holds, and up to where it has
// been sent everything.
func (v *verifiers) holding(f *verifier) (uint64, revocation.Position) {
	v.mu.Lock()
	generation := f.generation
	v.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return generation, f.pos
}
