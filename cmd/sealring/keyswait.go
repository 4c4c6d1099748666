package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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
	w := &waiting{app: a, apis: apis, every: askEvery}
	if l := w.ask(ctx, 0); len(l.silent) > 0 { // before anything is changed
		return errors.Join(l.silent...)
	}
	ripe, err := a.ripe(f.Ring(), r.purposes)
	if err != nil {
		return err
	}
	var confirmed time.Time
	if !ripe {
		if l := w.until(ctx, f.Ring().Generation(), "the standby keys"); l.any() {
			return fmt.Errorf("nothing was changed: not everybody has confirmed the standby keys (generation %d): %s", f.Ring().Generation(), l)
		} else {
			w.held("the standby keys", l, f.Ring().Generation())
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
	if l := w.until(ctx, ring.Generation(), "the rotated ring"); l.any() {
		return fmt.Errorf("the rotation is written and will be carried out, but not everybody has confirmed the rotated ring (generation %d): %s", ring.Generation(), l)
	} else {
		w.held("the rotated ring", l, ring.Generation())
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
	app      *app
	apis     []*adminAPI
	every    time.Duration // between two questions
	services bool          // only these have to hold it: what is made with the key never leaves them
	said     string
}

// lag is who holds a generation and who does not.
type lag struct {
	services int      // replicas that answered
	live     int      // verifiers
	names    []string // who holds less
	silent   []error  // of the replicas that did not answer
}

// any reports whether anybody has not confirmed.
func (l lag) any() bool { return len(l.names)+len(l.silent) > 0 }

// all names who has not confirmed.
func (l lag) all() []string {
	all := slices.Clone(l.names)
	for _, err := range l.silent {
		all = append(all, err.Error())
	}
	return all
}

func (l lag) String() string { return names(l.all()) }

// until returns when all replicas and all live verifiers hold the generation,
// or with those who do not when ctx ends.
func (w *waiting) until(ctx context.Context, generation uint64, what string) lag {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var last lag
	for {
		l := w.ask(ctx, generation)
		switch {
		case !l.any():
			return l
		case ctx.Err() != nil && last.any(): // this question was cut off: what is known is older
			return last
		case ctx.Err() == nil:
			w.say("Waiting for %s (generation %d): %s", what, generation, l)
		}
		last = l
		select {
		case <-ctx.Done():
			return l
		case <-tick.C:
		}
	}
}

func (w *waiting) held(what string, l lag, generation uint64) {
	w.say("%s: held by %s (generation %d).", what, count(l.live, "live verifier"), generation)
}

// say tells a change of how things stand, and nothing twice.
func (w *waiting) say(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); said != w.said {
		w.said = said
		w.app.say("%s", strings.ToUpper(said[:1])+said[1:])
	}
}

// ask asks every replica, all at once: one that hangs hides nobody who lags.
// A verifier may be known to several: it follows the feed of one and may have
// reported to another.
func (w *waiting) ask(ctx context.Context, generation uint64) lag {
	lists, errs := make([]verifierList, len(w.apis)), make([]error, len(w.apis))
	var asking sync.WaitGroup
	for i, api := range w.apis {
		asking.Go(func() {
			errs[i] = api.call(ctx, http.MethodGet, "/admin/v1/verifiers", nil, &lists[i], http.StatusOK)
		})
	}
	asking.Wait()
	var l lag
	known := map[string]verifierView{}
	for i, api := range w.apis {
		if errs[i] != nil {
			l.silent = append(l.silent, fmt.Errorf("%s: %w", api.base, errs[i]))
			continue
		}
		l.services++
		if lists[i].Generation < generation {
			l.names = append(l.names, fmt.Sprintf("the service at %s has generation %d", api.base, lists[i].Generation))
		}
		for _, v := range lists[i].Verifiers {
			name := v.Client + " " + v.ID
			before := known[name]
			v.Live, v.Generation = v.Live || before.Live, max(v.Generation, before.Generation)
			known[name] = v
		}
	}
	for name, v := range known {
		if !v.Live || w.services {
			continue
		}
		l.live++
		if v.Generation < generation {
			l.names = append(l.names, printable(fmt.Sprintf("verifier %s at %s holds %d", name, v.Remote, v.Generation)))
		}
	}
	slices.Sort(l.names)
	return l
}

func names(all []string) string {
	if n := len(all) - maxNamed; n > 0 {
		return strings.Join(all[:maxNamed], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(all, "; ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
