package authsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// setRing makes a newer ring the one in use and tells every subscriber.
func (h *hub) setRing(r *keys.Ring) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Generation() < h.ring.Load().Generation() {
		h.logger.Warn("an older key ring was ignored", "generation", r.Generation())
		return
	}
	h.ring.Store(r)
	h.publishKeys(h.now())
	select {
	case h.rung <- struct{}{}:
	default:
	}
}

// keysEvent is the payload of the feed's "keys" event.
type keysEvent struct {
	Generation  uint64          `json:"generation"`
	Keys        json.RawMessage `json:"keys"`
	SessionKIDs []string        `json:"session_kids"`
}

// keysPayload says which keys verifiers should hold now.
func (h *hub) keysPayload(now time.Time) ([]byte, error) {
	ring := h.ring.Load()
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(ring.PublicSet(now).JWKS(), &set); err != nil {
		return nil, fmt.Errorf("reading our own key set: %w", err)
	}
	e := keysEvent{Generation: ring.Generation(), Keys: set.Keys, SessionKIDs: []string{}}
	for _, k := range ring.SessionKeys(now).Keys() {
		e.SessionKIDs = append(e.SessionKIDs, k.ID)
	}
	slices.Sort(e.SessionKIDs)
	return json.Marshal(e)
}

// publishKeys publishes a changed key set. The lock is held. A key that comes
// of age does so by the clock, so this is asked at every heartbeat too.
func (h *hub) publishKeys(now time.Time) {
	if v := h.view.Load(); v != nil {
		if next := h.withKeys(v, now); next != v {
			h.publish(next)
		}
	}
}

// withKeys returns a view like v with the key set of now: v itself where that
// is in it already, or can not be signed.
func (h *hub) withKeys(v *view, now time.Time) *view {
	payload, err := h.keysPayload(now)
	if err == nil && string(payload) == string(v.keysPayload) {
		return v
	}
	var jws string
	if err == nil {
		_, jws, err = h.seal(tokens.TypKeys, payload, now)
	}
	if err != nil {
		h.logger.Error("publishing the key set", "err", err)
		return v
	}
	next := *v
	next.keysPayload, next.keys, next.keysNo = payload, event("keys", "", jws), v.keysNo+1
	next.distrust(h, now)
	return &next
}

// announceKeys puts every revoked key of access tokens into the Log, so that
// the guards' open streams end too and a verifier that restarts from an old key
// set knows. Keys of other purposes are dead by the ring alone: what they sealed
// is opened by this service and by those who follow its session keys, and what
// they signed is the feed itself.
func (h *hub) announceKeys(ctx context.Context) {
	told := map[string]bool{}
	for {
		wait := time.Duration(1<<63 - 1)
		if err := h.announce(ctx, told); err != nil && ctx.Err() == nil {
			h.logger.Error("announcing a revoked key", "err", err)
			wait = heartbeat
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-h.rung:
		case <-again.C:
		}
		again.Stop()
	}
}

func (h *hub) announce(ctx context.Context, told map[string]bool) error {
	for _, k := range h.ring.Load().Keys() {
		if k.RevokedAt.IsZero() || k.Purpose != keys.AccessToken || told[k.ID] {
			continue
		}
		err := h.log.Append(ctx, revocation.KeyEntry(h.issuer, k.ID, k.RevokedAt, h.deadUntil(k, k.RevokedAt)))
		if err != nil && !errors.Is(err, ErrNotShared) { // nor need it be: every replica tells its own subscribers
			return fmt.Errorf("appending key %s: %w", k.ID, err)
		}
		told[k.ID] = true
	}
	return nil
}

// errLease says that a newer ring may be in use elsewhere.
var errLease = errors.New("the key ring could not be looked at for longer than its lease")

// leased holds K3 of package keys: beyond the lease of its ring a replica
// neither signs nor says which keys there are. Verifiers could lack the key of
// the one and drop a key because of the other.
func (h *hub) leased(now time.Time) error {
	if h.heard != nil && now.Sub(h.heard()) > h.ring.Load().Plan().Lease {
		return unavailable(errLease)
	}
	return nil
}

// signer returns the key to sign or seal with now. Whatever is wrong is
// answered with 503.
func (h *hub) signer(p keys.Purpose, now time.Time) (keys.Key, error) {
	if err := h.leased(now); err != nil {
		return keys.Key{}, err
	}
	key, err := h.ring.Load().Current(p, now)
	if err != nil {
		return keys.Key{}, unavailable(err)
	}
	return key, nil
}

// seal signs something for the feed, and says with which key.
func (h *hub) seal(typ string, payload []byte, now time.Time) (kid, jws string, err error) {
	key, err := h.signer(keys.Feed, now)
	if err != nil {
		return "", "", err
	}
	jws, err = tokens.SignBytes(typ, payload, key)
	return key.ID, jws, err
}
