package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

func (a *app) keysRevoke() *cobra.Command {
	var reason string
	var dry, yes, trust bool
	var timeout time.Duration
	c := &cobra.Command{
		Use: "revoke KID", Short: "Declare a key compromised: dead everywhere at once",
		Long: `Declare a key compromised. A running service sees the changed ring and tells
the verifiers on its feed: within a second nothing that the key signed or sealed
is accepted there. Its private half is erased, and the standby takes over at
once. It cannot be undone.

Once the ring is written the command asks the admin API of every replica
(--admin-url URL,URL...) until each live verifier has confirmed that it holds
the ring without the key, and says how long that took. When the time of --timeout
is over it names those who have not confirmed, and ends with 1; the ring stays
written. Without --admin-url it asks at admin_listen; if nobody answers there it
says what is not known, and ends with 0. A verifier that is cut off from the
feed cannot be asked, and refuses the key once it has its feed back. Those who
only read the key set drop the key when their copy comes of age.

What happens to sessions depends on what the key is for:

  at      access tokens   none ends: clients refresh at once and go on
  feed    the feed        none ends: verifiers connect again
  cookie  session cookies none ends: browsers refresh; private data in them is lost
  rt      refresh tokens  ALL sessions sealed by it end: people log in again

The last is refused (exit code 4) without --yes, and so is a clock that is
further ahead than can be, without --trust-clock. KID may be shortened to its
first 8 characters or more; write -- before one that begins with a dash.`,
		Example: `  sealring keys revoke ZsDSFyHr --reason "laptop stolen" --dry-run`,
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&reason, "reason", "compromised", "why, for the record")
	c.Flags().BoolVar(&yes, "yes", false, "also if sessions end by it")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the verifiers' confirmations at most")
	dryRun(c, &dry)
	trustClock(c, &trust)
	uses := append(append([]string{}, ringOnly...), adminUses...)
	return a.printing(a.command(c, uses, func(ctx context.Context, args []string) error {
		if timeout <= 0 {
			return usagef("--timeout is how long to wait, not %s", timeout)
		}
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		key, err := pick(f.Ring(), args[0])
		if err != nil {
			return err
		}
		if !trust { // for a clock behind a revocation does not wait
			if err := a.checkClock(ctx, f.Ring()); err != nil && !errors.Is(err, keys.ErrClockBehind) {
				return err
			}
		}
		state, _ := f.Ring().State(key.ID, time.Now())
		effect := effectOf(key, state)
		if effect.ends && !yes && !dry {
			return fmt.Errorf("%w, because it would end live sessions: %s Add --yes to do it", errRefused, effect.text)
		}
		turn := func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(key.ID, reason, time.Now()) }
		if dry {
			ring, err := turn(f.Ring())
			if err != nil {
				return err
			}
			defer a.unchanged()
			return a.printRevoked(ring, key, effect, nil)
		}
		ring, err := updateRing(ctx, f, turn)
		if err != nil {
			return err
		}
		force := a.inForce(ctx, ring, key, timeout)
		if err := a.printRevoked(ring, key, effect, force); err != nil {
			return err
		}
		return force.err
	}))
}

// effect is what a revocation does to sessions.
type effect struct {
	text string
	ends bool // of live sessions
}

func effectOf(k keys.Key, state keys.State) effect {
	if state == keys.Standby || state == keys.Created {
		return effect{text: "Nothing was made with this key yet: no session is touched."}
	}
	switch k.Purpose {
	case keys.AccessToken:
		return effect{text: "Access tokens signed by this key are not valid any more. No session ends: each client refreshes, for which other keys are used, and goes on."}
	case keys.Feed:
		return effect{text: "Frames of the feed signed by this key are refused. No session ends: each verifier connects again and reads the key set anew."}
	case keys.SessionCookie:
		return effect{text: "Session cookies sealed by this key cannot be opened any more. No session ends: each browser refreshes and gets a new cookie, but the private data in the old one is lost."}
	}
	text := fmt.Sprintf("Every session whose newest refresh token was sealed by this key (since %s", moment(k.SignFrom))
	if !k.SignUntil.IsZero() {
		text += " until " + moment(k.SignUntil)
	}
	return effect{text: text + ") ends with its access token, and its owner has to log in again.", ends: true}
}

type revokedView struct {
	DryRun     bool         `json:"dry_run"`
	Revoked    string       `json:"revoked"`
	Purpose    keys.Purpose `json:"purpose"`
	Effect     string       `json:"effect"`
	EndsLive   bool         `json:"ends_sessions"`
	Generation uint64       `json:"generation"`
	InForce    *inForce     `json:"in_force,omitempty"` // not of a dry run
	Keys       []keyView    `json:"keys"`
}

func (a *app) printRevoked(ring *keys.Ring, k keys.Key, e effect, force *inForce) error {
	views, rows := viewKeys(ring, time.Now())
	view := revokedView{force == nil, k.ID, k.Purpose, e.text, e.ends, ring.Generation(), force, views}
	if err := a.print(view, keysHead, rows); err != nil {
		return err
	}
	a.say("%s", e.text)
	if force != nil && force.text != "" {
		a.say("%s", force.text)
	}
	return nil
}
