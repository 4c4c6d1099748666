package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

// errClock is a clock by which the key ring had better not be changed.
var errClock = errors.New("the clock of this machine can not be right")

// witnessTimeout is how long somebody is asked for the time. Who does not
// answer is no witness.
const witnessTimeout = 2 * time.Second

// witness is somebody else who has a clock.
type witness struct {
	name string
	ask  func(context.Context) (time.Time, error)
}

func trustClock(c *cobra.Command, into *bool) {
	c.Flags().BoolVar(into, "trust-clock", false, "this machine's clock is right, whatever speaks against it")
}

// checkClock refuses to change the ring by a clock that does not fit its last
// change, or the clocks of those who have to live with it: Redis, and the
// services that --admin-url names.
func (a *app) checkClock(ctx context.Context, ring *keys.Ring) error {
	err := ring.CheckClock(time.Now())
	for _, w := range a.witnesses() {
		if err == nil {
			err = w.contradicts(ctx, ring.Plan().Skew)
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w, because a change by it could end live sessions: %w (here it is %s): %w. Set it; or, if it is right, add --trust-clock",
		errRefused, errClock, time.Now().UTC().Format(time.RFC3339), err)
}

func (a *app) witnesses() (all []witness) {
	if a.redis != nil {
		all = append(all, witness{"Redis", func(ctx context.Context) (time.Time, error) { return a.redis.Time(ctx).Result() }})
	}
	if !a.settings.isSet("admin_url") { // what would answer is on this machine
		return all
	}
	for base := range strings.SplitSeq(a.settings.adminURL(), ",") {
		base = strings.TrimRight(strings.TrimSpace(base), "/")
		all = append(all, witness{"the service at " + base, func(ctx context.Context) (time.Time, error) { return dateOf(ctx, base+"/livez") }})
	}
	return all
}

// contradicts asks for the time, and reports a difference that is larger than
// clocks may have.
func (w witness) contradicts(ctx context.Context, skew time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	before := time.Now()
	said, err := w.ask(ctx)
	if err != nil {
		return nil // no witness
	}
	const second = time.Second // that a Date rounds down
	if said.Before(before.Add(-skew-second)) || said.After(time.Now().Add(skew+second)) {
		return fmt.Errorf("%s says that it is %s", w.name, said.UTC().Format(time.RFC3339))
	}
	return nil
}

// dateOf is when a server says that it answers (RFC 9110 §6.6.1).
func dateOf(ctx context.Context, url string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return time.Time{}, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	return http.ParseTime(resp.Header.Get("Date"))
}

// retime mends a ring that was changed by a clock ahead of this one.
func (a *app) retime(ctx context.Context, f ringStore, r rotation) error {
	turn := func(ring *keys.Ring) (*keys.Ring, error) { return ring.Retimed(time.Now()) }
	var ring *keys.Ring
	var err error
	if r.dry {
		ring, err = turn(f.Ring())
	} else {
		ring, err = f.Update(ctx, turn)
	}
	if err != nil {
		return err
	}
	a.say("The ring was changed by a clock that is ahead of this one. Its times are set right, and what was scheduled by that clock comes at the earliest safe moment; nothing else was rotated.")
	return a.printRotation(ring, r)
}
