package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

func (a *app) keysPrune() *cobra.Command {
	var dry, trust bool
	c := &cobra.Command{
		Use: "prune", Short: "Drop keys whose time is over",
		Long: `Drop the keys with which nothing can be verified or opened any more, and erase
the private halves of those that will not sign again. Every other change of the
ring does so too; this is for a ring that is seldom changed. Nothing that is
valid is touched. A clock that does not fit the ring's last change is refused
(exit code 4) without --trust-clock.`,
		Args: cobra.NoArgs,
	}
	dryRun(c, &dry)
	trustClock(c, &trust)
	return a.printing(a.command(c, ringOnly, func(ctx context.Context, _ []string) error {
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		before := f.Ring()
		if !trust {
			if err := a.checkClock(ctx, before); err != nil {
				return err
			}
		}
		turn := func(r *keys.Ring) (*keys.Ring, error) { return r.Prune(time.Now()), nil }
		after, _ := turn(before)
		if !dry {
			if after, err = updateRing(ctx, f, turn); err != nil {
				return err
			}
		}
		return a.printPruned(before, after, dry)
	}))
}

type prunedView struct {
	DryRun     bool        `json:"dry_run"`
	Generation uint64      `json:"generation"`
	Pruned     []prunedKey `json:"pruned"`
}

type prunedKey struct {
	ID      string       `json:"kid"`
	Purpose keys.Purpose `json:"purpose"`
	Done    string       `json:"done"` // dropped, or erased: its private half
}

func (a *app) printPruned(before, after *keys.Ring, dry bool) error {
	view := prunedView{DryRun: dry, Generation: after.Generation(), Pruned: []prunedKey{}}
	var rows [][]string
	now := map[string]keys.Key{}
	for _, k := range after.Keys() {
		now[k.ID] = k
	}
	for _, k := range before.Keys() {
		kept, ok := now[k.ID]
		done := "erased"
		switch held := k.Signer() != nil || k.External(); {
		case !ok:
			done = "dropped"
		case !held || kept.Signer() != nil || kept.External():
			continue
		}
		view.Pruned = append(view.Pruned, prunedKey{k.ID, k.Purpose, done})
		rows = append(rows, []string{k.ID, string(k.Purpose), done})
	}
	if err := a.print(view, []string{"KID", "PURPOSE", "DONE"}, rows); err != nil {
		return err
	}
	switch {
	case dry:
		a.unchanged()
	case len(rows) == 0:
		a.say("Nothing is over yet.")
	}
	return nil
}
