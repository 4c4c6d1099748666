package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// askEvery is how often the replicas are asked while something is waited for.
const askEvery = 250 * time.Millisecond

// maxNamed is how many of those who lag are named in one message.
const maxNamed = 20

// verifierList is what GET /admin/v1/verifiers answers, as far as it matters
// here.
type verifierList struct {
	Generation uint64         `json:"generation"`
	Verifiers  []verifierView `json:"verifiers"`
}

type verifierView struct {
	ID         string `json:"id"`
	Client     string `json:"client_id"`
	Remote     string `json:"remote"`
	Live       bool   `json:"live"`
	Generation uint64 `json:"generation"`
}

// rotateWaiting rotates by the verifiers' confirmations.
func (a *app) rotateWaiting(ctx context.Context, f ringStore, r rotation) error {
	apis, err := a.settings.adminAPIs()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	w := &waiting{app: a, apis: apis}
	if _, err := w.ask(ctx, 0); err != nil { // before anything is changed
		return err
	}
	ripe, err := a.ripe(f.Ring(), r.purposes)
	if err != nil {
		return err
	}
	var confirmed time.Time
	if !ripe {
		if err := w.until(ctx, f.Ring().Generation(), "the standby keys"); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		confirmed = time.Now()
	}
	ring, err := a.rotate(ctx, f, r, confirmed)
	if err != nil {
		return err
	}
	if err := a.printRotation(ring, r); err != nil {
		return err
	}
	if err := w.until(ctx, ring.Generation(), "the rotated ring"); err != nil {
		return fmt.Errorf("the rotation is written and will be carried out, but %w", err)
	}
	return nil
}

// ripe reports whether the standbys could sign at once by the clock alone.
func (a *app) ripe(ring *keys.Ring, purposes []keys.Purpose) (bool, error) {
	now := time.Now()
	for _, p := range purposes {
		at, err := ring.Earliest(p, a.settings.plan(), now)
		switch {
		case err != nil:
			return false, fmt.Errorf("%w, because tokens that are still valid would no longer verify: %w; `sealring keys timeline` shows when it is over", errRefused, err)
		case at.After(now.Add(time.Second)):
			return false, nil
		}
	}
	return true, nil
}

// waiting asks all replicas who holds what.
type waiting struct {
	app  *app
	apis []*adminAPI
	said string
}

// lag is who does not hold a generation.
type lag struct {
	live  int // verifiers
	names []string
}

// until returns when all replicas and all live verifiers hold the generation.
func (w *waiting) until(ctx context.Context, generation uint64, what string) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		l, err := w.ask(ctx, generation)
		if err != nil {
			l.names = append(l.names, err.Error())
		}
		if len(l.names) == 0 {
			w.say("%s: held by %s (generation %d).", what, verifierCount(l.live), generation)
			return nil
		}
		if ctx.Err() == nil {
			w.say("Waiting for %s (generation %d): %s", what, generation, names(l.names))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not everybody has confirmed %s (generation %d): %s", what, generation, names(l.names))
		case <-tick.C:
		}
	}
}

// say tells a change of how things stand, and nothing twice.
func (w *waiting) say(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); said != w.said {
		w.said = said
		w.app.say("%s", strings.ToUpper(said[:1])+said[1:])
	}
}

// ask asks every replica. A verifier may be known to several: it follows the
// feed of one and may have reported to another.
func (w *waiting) ask(ctx context.Context, generation uint64) (lag, error) {
	var l lag
	known := map[string]verifierView{}
	for _, api := range w.apis {
		var list verifierList
		if err := api.call(ctx, http.MethodGet, "/admin/v1/verifiers", nil, http.StatusOK, &list); err != nil {
			return l, fmt.Errorf("%s: %w", api.base, err)
		}
		if list.Generation < generation {
			l.names = append(l.names, fmt.Sprintf("the service at %s has generation %d", api.base, list.Generation))
		}
		for _, v := range list.Verifiers {
			name := v.Client + " " + v.ID
			before := known[name]
			v.Live, v.Generation = v.Live || before.Live, max(v.Generation, before.Generation)
			known[name] = v
		}
	}
	for name, v := range known {
		if !v.Live {
			continue
		}
		l.live++
		if v.Generation < generation {
			l.names = append(l.names, printable(fmt.Sprintf("verifier %s at %s holds %d", name, v.Remote, v.Generation)))
		}
	}
	slices.Sort(l.names)
	return l, nil
}

func names(all []string) string {
	if n := len(all) - maxNamed; n > 0 {
		return strings.Join(all[:maxNamed], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(all, "; ")
}

func verifierCount(n int) string {
	if n == 1 {
		return "1 live verifier"
	}
	return fmt.Sprintf("%d live verifiers", n)
}
