package authsvc

import (
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	vouchFor     = 5 * time.Minute  // that credentials are good, before the upstream is asked again
	refuseFor    = 10 * time.Second // that they are not
	maxVouchers  = 10_000
	maxRefusals  = 1_000
	maxQuestions = 32 // at once
)

// vouchers is what a relay remembers of its clients: not who they are, but that
// the upstream knew these very credentials, in memory and under a hash whose
// key dies with the process. While the upstream is away, whom it knew goes on.
type vouchers struct {
	upstream *upstream
	now      func() time.Time
	key      [32]byte
	asking   chan struct{} // a place for each question at once

	mu      sync.Mutex
	good    memory[*voucher]
	refused memory[*voucher]
}

// voucher is the upstream's last word on some credentials.
type voucher struct {
	err         error     // errBadClient or errScope
	at          time.Time // of the last word, or of the last try to get one
	sessionKeys *told     // what it gave them at /v1/session-keys; nil: nothing yet
}

func newVouchers(u *upstream, now func() time.Time) *vouchers {
	v := &vouchers{upstream: u, now: now, asking: make(chan struct{}, maxQuestions)}
	_, _ = rand.Read(v.key[:]) // it never fails
	v.good, v.refused = newMemory[*voucher](maxVouchers), newMemory[*voucher](maxRefusals)
	return v
}

// caller is who sent a request, as he says.
type caller struct {
	id            string
	authorization string
	sum           [sha256.Size]byte
}

func (v *vouchers) caller(r *http.Request) (caller, error) {
	id, secret, ok := r.BasicAuth()
	if !ok || len(r.Header["Authorization"]) > 1 || len(id) > maxClientID || len(secret) > maxClientSecret {
		return caller{}, errBadClient
	}
	c := caller{id: id, authorization: r.Header.Get("Authorization")}
	mac := hmac.New(sha256.New, v.key[:])
	_, _ = mac.Write([]byte(id + "\x00" + secret))
	mac.Sum(c.sum[:0])
	return c, nil
}

// admit returns who sent a request, if the upstream lets him follow the feed.
func (v *vouchers) admit(r *http.Request) (caller, error) {
	c, err := v.caller(r)
	if err != nil {
		return c, err
	}
	if known, err := v.remembered(c); known {
		return c, err
	}
	return c, v.askUpstream(r.Context(), c)
}

// remembered is the last word, if it still counts.
func (v *vouchers) remembered(c caller) (known bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if g, ok := v.good.get(c.sum); ok && v.now().Sub(g.at) < vouchFor {
		return true, g.err
	}
	if g, ok := v.refused.get(c.sum); ok && v.now().Sub(g.at) < refuseFor {
		return true, g.err
	}
	return false, nil
}

// askUpstream has the upstream say whether it would serve the feed, without
// serving it.
func (v *vouchers) askUpstream(ctx context.Context, c caller) error {
	select {
	case v.asking <- struct{}{}:
		defer func() { <-v.asking }()
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
	if known, err := v.remembered(c); known { // another has asked meanwhile
		return err
	}
	t, err := v.upstream.ask(ctx, question{method: http.MethodGet, path: feedPath + "?snapshot=1", authorization: c.authorization, ifNoneMatch: "*"})
	return v.learn(c, t, err)
}

// learn remembers what the upstream's answer to c says of c.
func (v *vouchers) learn(c caller, t *told, err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	g, was := v.good.get(c.sum)
	switch {
	case err != nil && was:
		g.at = v.now().Add(askAgain - vouchFor) // goes on, and is asked about again soon
		return g.err
	case err != nil:
		return unavailable(err)
	case t.status < 400:
		err = nil
	case t.status == http.StatusUnauthorized:
		err = errBadClient
	case t.status == http.StatusForbidden:
		err = errScope
	default:
		return unavailable(fmt.Errorf("asking the upstream for the client: status %d", t.status))
	}
	if errors.Is(err, errBadClient) {
		v.good.drop(c.sum)
		v.refused.put(c.sum, &voucher{err: err, at: v.now()})
		return err
	}
	v.refused.drop(c.sum)
	if !was {
		g = &voucher{}
	}
	g.err, g.at = err, v.now()
	v.good.put(c.sum, g)
	return err
}

// keep remembers what c was given as session keys, and release gives it again.
func (v *vouchers) keep(c caller, t *told) {
	v.mu.Lock()
	defer v.mu.Unlock()
	g, ok := v.good.get(c.sum)
	if !ok {
		g = &voucher{at: v.now().Add(-vouchFor)} // of the feed nothing is known
		g.err = errScope
		v.good.put(c.sum, g)
	}
	g.sessionKeys = t
}

func (v *vouchers) release(c caller) (*told, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	g, ok := v.good.get(c.sum)
	if !ok || g.sessionKeys == nil {
		return nil, false
	}
	return g.sessionKeys, true
}

// forget drops everything about c: the upstream does not know him any more.
func (v *vouchers) forget(c caller) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.good.drop(c.sum)
}

// memory keeps the values that were used last.
type memory[V any] struct {
	most int
	all  map[[sha256.Size]byte]*list.Element
	used *list.List // of remembered[V], the latest in front
}

type remembered[V any] struct {
	key   [sha256.Size]byte
	value V
}

func newMemory[V any](most int) memory[V] {
	return memory[V]{most: most, all: map[[sha256.Size]byte]*list.Element{}, used: list.New()}
}

func (m *memory[V]) get(key [sha256.Size]byte) (value V, ok bool) {
	e, ok := m.all[key]
	if !ok {
		return value, false
	}
	m.used.MoveToFront(e)
	return e.Value.(remembered[V]).value, true
}

func (m *memory[V]) put(key [sha256.Size]byte, value V) {
	m.drop(key)
	m.all[key] = m.used.PushFront(remembered[V]{key, value})
	if m.used.Len() > m.most {
		m.drop(m.used.Back().Value.(remembered[V]).key)
	}
}

func (m *memory[V]) drop(key [sha256.Size]byte) {
	if e, ok := m.all[key]; ok {
		m.used.Remove(e)
		delete(m.all, key)
	}
}
