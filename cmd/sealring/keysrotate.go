package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

// rotation is what `keys rotate` was asked for.
type rotation struct {
	purposes []keys.Purpose
	dry      bool
	wait     bool
	trust    bool // this machine's clock
	timeout  time.Duration
}

func (a *app) keysRotate() *cobra.Command {
	var use string
	r := rotation{}
	c := &cobra.Command{
		Use: "rotate --use sig|enc", Short: "Promote the standby keys and make new ones",
		Long: `Promote the standby keys of one use at the earliest moment at which no
verifier can lack them, make new standbys, and print the moment of each step:

  sig   the keys that sign access tokens and the trust feed
  enc   the keys that seal session cookies and refresh tokens

A running service takes the new ring over by itself. Nothing that was signed or
sealed before is refused for it. Lifetimes that are longer than those the ring
was made for are written into the ring, and so is short_names: the new standbys
have them, which seal after the next rotation.

A clock that is far off spoils a ring: keys that are still needed are dropped,
and what is scheduled comes too late. So the ring's last change, Redis and the
services that --admin-url names are heard first, and a clock that they
contradict is refused (exit code 4). --trust-clock goes on all the same; if the
ring was changed by a clock ahead of this one, it sets the ring's times right
and rotates nothing.

A standby that is younger than a day may not be known everywhere yet, and the
rotation is then planned for when it is. --wait asks instead of waiting: it
asks the admin API of every replica (--admin-url URL,URL...) until each live
verifier on the feed has confirmed that it holds the ring's keys. The standby
then signs once those who only read the key set have it too (jwks_max_age and
clock_skew later), and the command returns when every live verifier has
confirmed the rotated ring. Progress goes to standard error. When the time of
--timeout is over it names those who have not confirmed, and ends with 1.`,
		Example: `  sealring keys rotate --use sig --dry-run
  sealring keys rotate --use sig --wait --admin-url http://10.0.0.1:8081,http://10.0.0.2:8081`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&use, "use", "", "sig or enc (required)")
	c.Flags().BoolVar(&r.wait, "wait", false, "ask the verifiers on the feed rather than the clock")
	c.Flags().DurationVar(&r.timeout, "timeout", 2*time.Minute, "with --wait: how long at most")
	dryRun(c, &r.dry)
	trustClock(c, &r.trust)
	c.MarkFlagsMutuallyExclusive("wait", "dry-run")
	uses := append(append([]string{}, ringTimes...), adminUses...)
	return a.printing(a.command(c, uses, func(ctx context.Context, _ []string) error {
		var ok bool
		if r.purposes, ok = usePurposes[use]; !ok {
			if use == "" {
				return usagef("--use is required: sig for the signing keys, enc for the sealing keys")
			}
			return usagef("--use is sig or enc, not %q", use)
		}
		if r.timeout <= 0 {
			return usagef("--timeout is how long to wait, not %s", r.timeout)
		}
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		switch err := f.Ring().CheckClock(time.Now()); {
		case !r.trust:
			if err := a.checkClock(ctx, f.Ring()); err != nil {
				return err
			}
		case errors.Is(err, keys.ErrClockBehind):
			return a.retime(ctx, f, r)
		}
		if r.wait {
			return a.rotateWaiting(ctx, f, r)
		}
		ring, err := a.rotate(ctx, f, r, time.Time{})
		if err != nil {
			return err
		}
		return a.printRotation(ring, r)
	}))
}

var usePurposes = map[string][]keys.Purpose{
	"sig": {keys.AccessToken, keys.Feed},
	"enc": {keys.SessionCookie, keys.RefreshToken},
}

// rotate changes the ring, or says what it would become. Every verifier has
// confirmed the standbys at the time confirmed, if that is not zero.
func (a *app) rotate(ctx context.Context, f ringStore, r rotation, confirmed time.Time) (*keys.Ring, error) {
	turn := func(ring *keys.Ring) (*keys.Ring, error) {
		for _, p := range r.purposes {
			var err error
			if !confirmed.IsZero() {
				if ring, err = a.confirm(ring, p, confirmed); err != nil {
					return nil, err
				}
			}
			if ring, err = ring.Rotate(p, a.settings.plan(), time.Now()); err != nil {
				return nil, fmt.Errorf("rotating %s keys: %w", p, err)
			}
		}
		return ring, nil
	}
	var ring *keys.Ring
	var err error
	if r.dry {
		ring, err = turn(f.Ring())
	} else {
		ring, err = updateRing(ctx, f, turn)
	}
	if errors.Is(err, keys.ErrRotationPending) {
		return nil, fmt.Errorf("%w, because tokens that are still valid would no longer verify: %w; `sealring keys timeline` shows when it is over", errRefused, err)
	}
	return ring, err
}

// confirm lets the standby of a purpose sign without the lease of its lead:
// all replicas and all followers of the feed have it. Those who only read the
// key set have it once a copy made before has come of age.
func (a *app) confirm(ring *keys.Ring, p keys.Purpose, held time.Time) (*keys.Ring, error) {
	_, standby := chainOf(ring, p)
	if standby == nil {
		return nil, fmt.Errorf("rotating %s keys: %w: no standby", p, keys.ErrInvalidRing)
	}
	rest := time.Duration(0)
	for _, plan := range []keys.Plan{ring.Plan(), a.settings.plan()} {
		rest = max(rest, plan.Lead(p)-plan.Lease)
	}
	return ring.Confirm(standby.ID, held.Add(rest), time.Now())
}

type rotationView struct {
	DryRun     bool      `json:"dry_run"`
	Generation uint64    `json:"generation"`
	Steps      []step    `json:"steps"`
	Keys       []keyView `json:"keys"`
}

func (a *app) printRotation(ring *keys.Ring, r rotation) error {
	now := time.Now()
	steps := rotationSteps(ring, r.purposes)
	views, rows := viewKeys(ring, now)
	if a.format == "json" {
		return a.printJSON(rotationView{r.dry, ring.Generation(), steps, views})
	}
	if err := a.print(nil, []string{"WHEN", "", "PURPOSE", "KEY", "STEP"}, stepRows(steps, now)); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	if err := a.print(nil, keysHead, rows); err != nil {
		return err
	}
	if r.dry {
		a.unchanged()
	}
	return nil
}
