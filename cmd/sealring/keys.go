package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// The settings of the key commands: the lifetimes are what a ring's plan
// follows from.
var (
	ringOnly  = []string{"data", "master_key"}
	ringTimes = []string{"data", "master_key", "access_ttl", "idle_ttl", "session_ttl", "clock_skew", "jwks_max_age"}
)

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "The key ring", a.keysInit(), a.keysList(), a.keysRotate())
}

func (a *app) keysInit() *cobra.Command {
	c := &cobra.Command{
		Use: "init", Short: "Make the data folder and a new key ring in it",
		Long: `Make the data folder, a master key, an admin token and a key ring with a
signing key and a standby for each purpose. A ring that is there is never
replaced. Keep the master key apart from backups of the ring: whoever has both
can sign.`,
		Args: cobra.NoArgs,
	}
	return a.printing(a.command(c, append([]string{"alg"}, ringTimes...), func(context.Context, []string) error {
		ring, err := a.settings.newRing()
		if err != nil {
			return err
		}
		return a.printKeys(ring)
	}))
}

// newRing makes a ring, and whatever it needs, in the data folder.
func (s *settings) newRing() (*keys.Ring, error) {
	if err := makeData(s.Data); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.path(ringFile)); err == nil {
		return nil, fmt.Errorf("there is a key ring in %s already; nothing was changed", s.Data)
	}
	ring, err := keys.NewRing(s.plan(), keys.Alg(s.Alg), time.Now())
	if err != nil {
		return nil, fmt.Errorf("making key ring: %w", err)
	}
	master, err := s.newMasterKey()
	if err != nil {
		return nil, err
	}
	if _, err := s.newAdminToken(); err != nil {
		return nil, err
	}
	if err := ringfile.Create(s.path(ringFile), master, ring); err != nil {
		return nil, fmt.Errorf("writing key ring: %w", err)
	}
	return ring, nil
}

func (a *app) keysList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show every key and where it stands in its life", Args: cobra.NoArgs}
	return a.printing(a.command(c, ringOnly, func(context.Context, []string) error {
		f, err := a.settings.openRing()
		if err != nil {
			return err
		}
		return a.printKeys(f.Ring())
	}))
}

func (a *app) keysRotate() *cobra.Command {
	var use string
	var dryRun bool
	c := &cobra.Command{
		Use: "rotate --use sig|enc", Short: "Promote the standby keys and make new ones",
		Long: `Promote the standby keys of one use at the earliest moment at which no
verifier can lack them, and make new standbys:

  sig   the keys that sign access tokens and the trust feed
  enc   the keys that seal session cookies and refresh tokens

A running service takes the new ring over by itself. Nothing that was signed or
sealed before is refused for it. Lifetimes that are longer than those the ring
was made for are written into the ring. With a standby that is too young to
sign, the table says when it will.`,
		Example: `  sealring keys rotate --use sig --dry-run`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&use, "use", "", "sig or enc (required)")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be, and change nothing")
	return a.printing(a.command(c, ringTimes, func(ctx context.Context, _ []string) error {
		purposes, ok := usePurposes[use]
		if !ok {
			return usagef("--use is sig or enc, not %q", use)
		}
		f, err := a.settings.openRing()
		if err != nil {
			return err
		}
		ring, err := a.rotate(ctx, f, purposes, dryRun)
		if err != nil {
			return err
		}
		return a.printKeys(ring)
	}))
}

var usePurposes = map[string][]keys.Purpose{
	"sig": {keys.AccessToken, keys.Feed},
	"enc": {keys.SessionCookie, keys.RefreshToken},
}

func (a *app) rotate(ctx context.Context, f *ringfile.File, purposes []keys.Purpose, dryRun bool) (*keys.Ring, error) {
	turn := func(r *keys.Ring) (*keys.Ring, error) {
		for _, p := range purposes {
			next, err := r.Rotate(p, a.settings.plan(), time.Now())
			if err != nil {
				return nil, fmt.Errorf("rotating %s keys: %w", p, err)
			}
			r = next
		}
		return r, nil
	}
	var ring *keys.Ring
	var err error
	if dryRun {
		ring, err = turn(f.Ring())
	} else {
		ring, err = f.Update(ctx, turn)
	}
	if errors.Is(err, keys.ErrRotationPending) {
		return nil, fmt.Errorf("%w, because tokens that are still valid would no longer verify: %w; `sealring keys list` shows when it is over", errRefused, err)
	}
	return ring, err
}

type keyView struct {
	ID          string       `json:"kid"`
	Purpose     keys.Purpose `json:"purpose"`
	Alg         keys.Alg     `json:"alg"`
	State       keys.State   `json:"state"`
	PublishAt   time.Time    `json:"publish_at"`
	SignFrom    time.Time    `json:"sign_from,omitzero"`
	SignUntil   time.Time    `json:"sign_until,omitzero"`
	VerifyUntil time.Time    `json:"verify_until,omitzero"`
	RevokedAt   time.Time    `json:"revoked_at,omitzero"`
	Reason      string       `json:"reason,omitempty"`
}

func (a *app) printKeys(ring *keys.Ring) error {
	views, rows := []keyView{}, [][]string{}
	for _, k := range ring.Keys() {
		state, _ := ring.State(k.ID, time.Now())
		views = append(views, keyView{k.ID, k.Purpose, k.Alg, state, k.PublishAt, k.SignFrom, k.SignUntil, k.VerifyUntil, k.RevokedAt, k.Reason})
		rows = append(rows, []string{k.ID, string(k.Purpose), string(k.Alg), string(state),
			moment(k.SignFrom), moment(k.SignUntil), moment(k.VerifyUntil)})
	}
	return a.print(views, []string{"KID", "PURPOSE", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "VERIFIED UNTIL"}, rows)
}
