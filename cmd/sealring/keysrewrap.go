package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

// nextMasterFile is the new master key of the data folder while it is being
// changed: if the change is cut off in the middle, both open.
const nextMasterFile = "master.key.next"

func (a *app) keysRewrap() *cobra.Command {
	var file string
	var dry bool
	c := &cobra.Command{
		Use: "rewrap", Short: "Seal the ring under a new master key",
		Long: `Seal the ring under a new master key. No key of the ring changes, and no session
is touched. The new master key is 32 random bytes in base64url without padding:

  head -c 32 /dev/urandom | basenc --base64url | tr -d = >new.key

It is read from --new-master-key-file FILE (- for standard input), or from the
environment: SEALRING_NEW_MASTER_KEY or SEALRING_NEW_MASTER_KEY_FILE.

Add, then promote, then drop, so that no running service is locked out:

  1. Add: give every service the new key beside the old one, as
     other_master_key_file (or SEALRING_OTHER_MASTER_KEY), and restart it.
  2. Promote: run this command.
  3. Drop: make the new key the master_key_file of every service, take
     other_master_key_file away, and restart it.

A service that was not given the new key goes on with the ring that it has, and
hears of no change any more; after a day it stops signing. Where the master key
is master.key in the data folder, this command puts the new one there itself:
then only restart the service, within that day.`,
		Example: `  sealring keys rewrap --new-master-key-file new.key --dry-run`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&file, "new-master-key-file", "", "file with the new master key, - for standard input")
	dryRun(c, &dry)
	return a.printing(a.command(c, ringOnly, func(ctx context.Context, _ []string) error {
		next, err := a.newMaster(file)
		if err != nil {
			return err
		}
		before, err := a.openRing(ctx) // with the keys it has now
		if err != nil {
			return err
		}
		if !dry {
			if err := a.rewrap(ctx, next); err != nil {
				return err
			}
		}
		view := rewrapView{dry, next.ID(), before.Ring().Generation()}
		if err := a.print(view, []string{"MASTER KEY", "GENERATION"}, [][]string{{view.MasterKey, fmt.Sprint(view.Generation)}}); err != nil {
			return err
		}
		if dry {
			a.unchanged()
		}
		return nil
	}))
}

type rewrapView struct {
	DryRun     bool   `json:"dry_run"`
	MasterKey  string `json:"master_key"` // its id, not the key
	Generation uint64 `json:"generation"`
}

// newMaster reads the new master key from the one place that was named.
func (a *app) newMaster(file string) (ringfile.MasterKey, error) {
	const name = "SEALRING_NEW_MASTER_KEY"
	sources := 0
	for _, v := range []string{file, a.env[name], a.env[name+"_FILE"]} {
		if v != "" {
			sources++
		}
	}
	if sources != 1 {
		return ringfile.MasterKey{}, usagef("give the new master key in one place: --new-master-key-file FILE or -, %s, or %s_FILE", name, name)
	}
	text := a.env[name]
	if file == "" {
		file = a.env[name+"_FILE"]
	}
	var err error
	switch {
	case file == "-":
		var raw []byte
		raw, err = io.ReadAll(io.LimitReader(a.stdin, maxSecretFile))
		text = string(raw)
	case file != "":
		text, err = readSecretFile(file)
	}
	if err != nil {
		return ringfile.MasterKey{}, fmt.Errorf("reading new master key: %w", err)
	}
	key, err := ringfile.ParseMasterKey([]byte(text))
	if err != nil {
		return ringfile.MasterKey{}, fmt.Errorf("reading new master key: %w", err)
	}
	return key, nil
}

func (a *app) rewrap(ctx context.Context, next ringfile.MasterKey) error {
	place, err := a.ringPlace()
	if err != nil {
		return err
	}
	return a.settings.rewrap(ctx, place, next)
}

// rewrap seals the ring under next. Where the master key is in the data
// folder, next takes its place there.
func (s *settings) rewrap(ctx context.Context, place ringPlace, next ringfile.MasterKey) error {
	masters, err := s.masterKeys()
	if err != nil {
		return err
	}
	own := s.MasterKey == ""
	if own {
		if err := s.finishRewrap(ctx, place, masters); err != nil {
			return err
		}
		if err := renameio.WriteFile(s.path(nextMasterFile), []byte(next.Reveal()+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing new master key: %w", err)
		}
	}
	f, err := place.open(ctx, append([]ringfile.MasterKey{next}, masters...)...)
	if err != nil {
		return fmt.Errorf("opening key ring: %w", err)
	}
	if err := f.Rewrap(ctx); err != nil {
		return err
	}
	if _, err := place.open(ctx, next); err != nil {
		return fmt.Errorf("reading back the key ring: %w", err)
	}
	if !own {
		return nil
	}
	if err := os.Rename(s.path(nextMasterFile), s.path(masterFile)); err != nil {
		return fmt.Errorf("putting the new master key in its place: %w", err)
	}
	return nil
}

// finishRewrap ends a change that was cut off: the ring is sealed under the
// next master key already, and that must not be written over.
func (s *settings) finishRewrap(ctx context.Context, place ringPlace, masters []ringfile.MasterKey) error {
	if !exists(s.path(nextMasterFile)) {
		return nil
	}
	if _, err := place.open(ctx, masters[len(masters)-1]); errors.Is(err, ringfile.ErrMasterKey) {
		return nil // it is not: the change had not come so far
	} else if err != nil {
		return fmt.Errorf("finishing an earlier change of the master key: %w", err)
	}
	return os.Rename(s.path(nextMasterFile), s.path(masterFile))
}

// masterKeys are all that may open the ring: the master key, first, then the
// one that is to be or was before.
func (s *settings) masterKeys() ([]ringfile.MasterKey, error) {
	master, err := s.masterKey()
	if err != nil {
		return nil, err
	}
	all := []ringfile.MasterKey{master}
	if s.OtherMasterKey != "" {
		other, err := ringfile.ParseMasterKey([]byte(s.OtherMasterKey.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("reading other master key: %w", err)
		}
		all = append(all, other)
	}
	if s.MasterKey != "" {
		return all, nil
	}
	text, err := privateFile(s.path(nextMasterFile))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading new master key: %w", err)
	}
	next, err := ringfile.ParseMasterKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading new master key: %w", err)
	}
	return append(all, next), nil
}
