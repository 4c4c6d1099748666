package authsvc

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	announceEvery  = 18 * time.Second // and once more, late, within verifierLease
	announceSpread = 2 * time.Second
	announceRetry  = 3 * time.Second
	announceLook   = 250 * time.Millisecond
	announcers     = 16 // at once
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

// due returns those to announce now.
func (g *guests) due(now time.Time) (all []*guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for one := range g.all {
		if !now.Before(one.due) {
			all = append(all, one)
		}
	}
	return all
}

func (g *guests) again(one *guest, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one.due = at
}

// announceGuests announces each guest when it is due.
func (r *Relay) announceGuests(ctx context.Context) {
	for pause(ctx, announceLook) {
		r.announceAll(ctx, r.guests.due(r.now()))
	}
}

// announceAll announces them, some at once. Once the upstream has not answered
// for one, the others are put off: each would wait as long for nothing.
func (r *Relay) announceAll(ctx context.Context, due []*guest) {
	var away atomic.Bool
	var wg sync.WaitGroup
	work := make(chan *guest)
	for range min(len(due), announcers) {
		wg.Go(func() {
			for one := range work {
				wait := announceRetry
				if !away.Load() {
					var err error
					wait, err = r.announce(ctx, one)
					away.CompareAndSwap(false, err != nil)
				}
				r.guests.again(one, r.now().Add(wait))
			}
		})
	}
	for _, one := range due {
		work <- one
	}
	close(work)
	wg.Wait()
}

// announce tells the upstream what a guest holds, and returns when to do so
// again; the error says that the upstream is away.
func (r *Relay) announce(ctx context.Context, one *guest) (time.Duration, error) {
	generation, pos := r.verifiers.holding(one.who)
	if pos == (revocation.Position{}) {
		return 0, nil // nothing was sent to it yet
	}
	t, err := r.report(ctx, one.caller, one.who.name.id, generation, pos)
	if err != nil {
		return announceRetry, err
	}
	if t.status == http.StatusUnauthorized {
		r.vouchers.forget(one.caller)
	}
	return announceEvery - announceSpread + rand.N(2*announceSpread), nil
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
