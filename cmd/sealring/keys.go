package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// The settings of the key commands: the lifetimes are what a ring's plan
// follows from.
var (
	ringOnly  = []string{"data", "master_key", "other_master_key"}
	ringTimes = append([]string{"access_ttl", "idle_ttl", "session_ttl", "clock_skew", "jwks_max_age"}, ringOnly...)
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

// unchanged says so after a dry run.
func (a *app) unchanged() { a.say("Dry run: nothing was changed.") }

func (a *app) keysInit() *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "init", Short: "Make the data folder and a new key ring in it",
		Long: `Make the data folder, a master key, an admin token and a key ring with a
signing key and a standby for each purpose. A ring that is there is never
replaced. Keep the master key apart from backups of the ring: whoever has both
can sign.`,
		Args: cobra.NoArgs,
	}
	dryRun(c, &dry)
	return a.printing(a.command(c, append([]string{"alg"}, ringTimes...), func(context.Context, []string) error {
		s := &a.settings
		if dry {
			ring, err := s.plannedRing()
			if err != nil {
				return err
			}
			defer a.unchanged()
			return a.printKeys(ring)
		}
		ring, err := s.newRing()
		if err != nil {
			return err
		}
		return a.printKeys(ring)
	}))
}

// plannedRing is a ring as it would be made, unless there is one already.
func (s *settings) plannedRing() (*keys.Ring, error) {
	if _, err := os.Stat(s.path(ringFile)); err == nil {
		return nil, fmt.Errorf("there is a key ring in %s already; nothing was changed", s.Data)
	}
	if err := s.checkLost(); err != nil {
		return nil, err
	}
	ring, err := keys.NewRing(s.plan(), keys.Alg(s.Alg), time.Now())
	if err != nil {
		return nil, fmt.Errorf("making key ring: %w", err)
	}
	return ring, nil
}

// newRing makes a ring, and whatever it needs, in the data folder.
func (s *settings) newRing() (*keys.Ring, error) {
	if err := makeData(s.Data); err != nil {
		return nil, err
	}
	ring, err := s.plannedRing()
	if err != nil {
		return nil, err
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

var keysHead = []string{"KID", "PURPOSE", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "VERIFIED UNTIL"}

func viewKeys(ring *keys.Ring, now time.Time) (views []keyView, rows [][]string) {
	views = []keyView{}
	for _, k := range ring.Keys() {
		state, _ := ring.State(k.ID, now)
		views = append(views, keyView{k.ID, k.Purpose, k.Alg, state, k.PublishAt, k.SignFrom, k.SignUntil, k.VerifyUntil, k.RevokedAt, k.Reason})
		rows = append(rows, []string{k.ID, string(k.Purpose), string(k.Alg), string(state),
			moment(k.SignFrom), moment(k.SignUntil), moment(k.VerifyUntil)})
	}
	return views, rows
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
