package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

// The settings of the key commands: the lifetimes are what a ring's plan
// follows from.
var (
	ringOnly  = append([]string{"data", "master_key", "other_master_key"}, redisUses...)
	ringTimes = append([]string{"profile", "access_ttl", "idle_ttl", "session_ttl", "clock_skew", "jwks_max_age", "short_names"}, ringOnly...)
	adminUses = []string{"admin_url", "admin_listen", "admin_token"}
)

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "The key ring", a.keysInit(), a.keysList(), a.keysTimeline(), a.keysRotate(), a.keysRevoke(),
		a.keysPrune(), a.keysExport(), a.keysRewrap())
}

// dryRun adds --dry-run to a command that writes.
func dryRun(c *cobra.Command, into *bool) {
	c.Flags().BoolVar(into, "dry-run", false, "show what would be, and change nothing")
}

// onlyLooks adds --dry-run to a command that never changes anything, so that it
// can be put behind every key command without a thought.
func onlyLooks(c *cobra.Command) {
	c.Flags().Bool("dry-run", false, "nothing else than without it: this command changes nothing")
}

// unchanged says so after a dry run.
func (a *app) unchanged() { a.say("Dry run: nothing was changed.") }

func (a *app) keysInit() *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "init", Short: "Make the data folder and a new key ring in it",
		Long: `Make the data folder, a master key, an admin token and a key ring with a
signing key and a standby for each purpose. A ring that is there is never
replaced. Keep the master key apart from backups of the ring: whoever has both
can sign.

With --redis the ring is put into Redis, for all replicas, and sealed there as it
is in a file. A ring that the data folder has already is moved there, and no
session ends: give every service --redis and restart it within the day. Each
replica has a data folder of its own and needs the master key in it, or by
setting; without it nobody can read what is in Redis.`,
		Args: cobra.NoArgs,
	}
	dryRun(c, &dry)
	return a.printing(a.command(c, append([]string{"alg"}, ringTimes...), func(ctx context.Context, _ []string) error {
		place, err := a.ringPlace()
		if err != nil {
			return err
		}
		if dry {
			ring, _, err := a.settings.firstRing(ctx, place)
			if err != nil {
				return err
			}
			defer a.unchanged()
			return a.printKeys(ring)
		}
		ring, moved, err := a.settings.newRing(ctx, place)
		if err != nil {
			return err
		}
		if moved {
			a.say("The key ring of %s is in Redis now. Its file is %s, which nothing reads: keep it as a backup, or remove it.", a.settings.Data, movedFile)
		}
		return a.printKeys(ring)
	}))
}

func (a *app) keysList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show every key and where it stands in its life", Args: cobra.NoArgs}
	onlyLooks(c)
	return a.printing(a.command(c, ringOnly, func(ctx context.Context, _ []string) error {
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		return a.printKeys(f.Ring())
	}))
}

// keyView is a key as one looks at it: of a revoked one the ends are those
// that came, not those that were planned.
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
	KeptUntil   time.Time    `json:"kept_until,omitzero"` // of a revoked key: when its revocation may be forgotten
	Seals       uint64       `json:"seals,omitempty"`
	ShortNames  int          `json:"short_names,omitempty"` // how many it has codes for
}

var keysHead = []string{"KID", "PURPOSE", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "VERIFIED UNTIL", "REVOKED", "REASON"}

func viewKeys(ring *keys.Ring, now time.Time) (views []keyView, rows [][]string) {
	views = []keyView{}
	for _, k := range ring.Keys() {
		v := viewKey(ring, k, now)
		views = append(views, v)
		rows = append(rows, []string{v.ID, string(v.Purpose), string(v.Alg), string(v.State),
			moment(v.SignFrom), moment(v.SignUntil), moment(v.VerifyUntil), moment(v.RevokedAt), v.Reason})
	}
	return views, rows
}

func viewKey(ring *keys.Ring, k keys.Key, now time.Time) keyView {
	state, _ := ring.State(k.ID, now)
	v := keyView{ID: k.ID, Purpose: k.Purpose, Alg: k.Alg, State: state, PublishAt: k.PublishAt,
		SignFrom: k.SignFrom, SignUntil: k.SignUntil, VerifyUntil: k.VerifyUntil, RevokedAt: k.RevokedAt, Reason: k.Reason, Seals: k.Seals, ShortNames: k.Names().Len()}
	if k.RevokedAt.IsZero() {
		return v
	}
	v.VerifyUntil, v.KeptUntil = k.RevokedAt, k.VerifyUntil
	switch {
	case k.SignFrom.IsZero() || k.SignFrom.After(k.RevokedAt): // it never did
		v.SignFrom, v.SignUntil = time.Time{}, time.Time{}
	case k.SignUntil.IsZero() || k.SignUntil.After(k.RevokedAt):
		v.SignUntil = k.RevokedAt
	}
	return v
}

func (a *app) printKeys(ring *keys.Ring) error {
	views, rows := viewKeys(ring, time.Now())
	return a.print(views, keysHead, rows)
}

// pick finds a key by its kid, or by the beginning of it that no other has.
func pick(ring *keys.Ring, kid string) (keys.Key, error) {
	var found []keys.Key
	for _, k := range ring.Keys() {
		if k.ID == kid {
			return k, nil
		}
		if len(kid) >= shortKID && strings.HasPrefix(k.ID, kid) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return keys.Key{}, fmt.Errorf("no key %q in the ring; `sealring keys list` shows them", kid)
	case 1:
		return found[0], nil
	}
	return keys.Key{}, usagef("%q is the beginning of %d keys: write more of it", kid, len(found))
}

// shortKID is how much of a kid is shown to people, and enough to name a key.
const shortKID = 8

func short8(kid string) string { return kid[:min(len(kid), shortKID)] }
