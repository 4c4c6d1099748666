package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// askInHaste is askEvery for a revocation: it is a matter of a second.
const askInHaste = 100 * time.Millisecond

// inForce is what is known of a revocation after the ring was written.
type inForce struct {
	Confirmed bool     `json:"confirmed"`      // by all who could be asked
	AfterMs   int64    `json:"after_ms"`       // since the ring was written: up to the last confirmation, or to when nobody waited any longer
	Services  int      `json:"services"`       // that answered
	Verifiers int      `json:"live_verifiers"` // that follow them
	Lagging   []string `json:"lagging"`        // who has not confirmed
	Unknown   string   `json:"unknown,omitempty"`

	text string // for people
	err  error  // how the command ends
}

// inForce finds out whether the ring without the key is held by everybody. The
// ring is written: there is nothing to take back, whatever comes of it.
func (a *app) inForce(ctx context.Context, ring *keys.Ring, k keys.Key, timeout time.Duration) *inForce {
	written := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	apis, err := a.settings.adminAPIs()
	if err != nil {
		return a.notAsked(ring, err)
	}
	w := &waiting{app: a, apis: apis, every: askInHaste, services: k.Purpose == keys.RefreshToken}
	if !a.settings.isSet("admin_url") { // nobody said that there is a service there
		if l := w.ask(ctx, ring.Generation()); len(l.silent) > 0 {
			return a.notAsked(ring, errors.Join(l.silent...))
		}
	}
	l := w.until(ctx, ring.Generation(), "the revocation")
	took := time.Since(written)
	f := &inForce{Confirmed: !l.any(), AfterMs: took.Milliseconds(), Services: l.services, Verifiers: l.live, Lagging: append([]string{}, l.all()...)}
	if l.any() {
		f.err = fmt.Errorf("the ring is written (generation %d), but %s later the key is not known to be dead everywhere: %s", ring.Generation(), took.Round(10*time.Millisecond), l)
		return f
	}
	who := count(l.services, "service")
	if !w.services {
		who += " and " + count(l.live, "live verifier")
	}
	f.text = fmt.Sprintf("Dead: confirmed by %s, %s after the ring was written (generation %d).", who, took.Round(10*time.Millisecond), ring.Generation())
	if k.Purpose == keys.AccessToken {
		f.text += fmt.Sprintf(" Who only reads the key set drops it within %s.", short(ring.Plan().JWKSMaxAge))
	}
	return f
}

// notAsked says what is known where no service could be asked.
func (a *app) notAsked(ring *keys.Ring, why error) *inForce {
	f := &inForce{Lagging: []string{}, Unknown: why.Error()}
	f.text = fmt.Sprintf("The ring is written (generation %d). Whether the key is refused by now is not known, since nobody could be asked: %v.\n"+
		"A running service takes the ring over as it sees the change, with its next look in %s at the latest, and tells the verifiers on its feed; one that cannot see it goes on with the old ring for up to %s.",
		ring.Generation(), why, short(ringfile.PollEvery), short(ring.Plan().Lease))
	if a.settings.isSet("admin_url") {
		f.err = errors.New("the ring is written, but nobody could be asked whether the key is dead")
	}
	return f
}
