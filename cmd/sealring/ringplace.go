package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// errNoRing says that no ring was made yet.
var errNoRing = errors.New("no key ring")

// ringPlace is where a key ring is kept.
type ringPlace interface {
	fmt.Stringer
	// folder makes sure of the data folder.
	folder() error
	// find fails with errNoRing where no ring was made yet, and otherwise where
	// there should be one and is not.
	find(ctx context.Context) error
	create(ctx context.Context, ring *keys.Ring, master ringfile.MasterKey) error
	// open opens the ring with any of the master keys; the first will seal.
	open(ctx context.Context, masters ...ringfile.MasterKey) (ringStore, error)
}

// ringIn is the place that the settings name: the data folder, or Redis if a
// client of it is given.
func (s *settings) ringIn(client redis.UniversalClient) ringPlace {
	if client == nil {
		return ringFolder{s}
	}
	return ringRedis{s, client}
}

// openRing opens the key ring with the master keys that are set.
func (s *settings) openRing(ctx context.Context, place ringPlace) (ringStore, error) {
	if err := place.folder(); err != nil {
		return nil, err
	}
	if err := place.find(ctx); err != nil {
		return nil, err
	}
	masters, err := s.masterKeys()
	if err != nil {
		return nil, err
	}
	ring, err := place.open(ctx, masters...)
	if err != nil {
		return nil, fmt.Errorf("opening key ring: %w", err)
	}
	return ring, nil
}

// ringFolder is a ring in a file of the data folder.
type ringFolder struct{ *settings }

func (p ringFolder) String() string { return p.Data }

func (p ringFolder) folder() error { return checkData(p.Data) }

// find refuses a ring that has moved: whoever changed the file would change
// nothing, and whoever served it would sign with keys that others have dropped.
func (p ringFolder) find(context.Context) error {
	switch {
	case exists(p.path(redisCopy)):
		return fmt.Errorf("the key ring of %s is in Redis (%s says so): name that with --redis; or, to have a ring in this folder again, remove %[2]s", p.Data, p.path(redisCopy))
	case exists(p.path(ringFile)):
		return nil
	}
	if err := p.checkLost(); err != nil {
		return err
	}
	return fmt.Errorf("%w in %s: make one with `sealring keys init --data %[2]s`", errNoRing, p.Data)
}

// checkLost refuses to take a lost ring for one that was never made: a new one
// ends every session, and nobody shall do that without being told.
func (p ringFolder) checkLost() error {
	if !exists(p.path(seenFile)) {
		return nil
	}
	return fmt.Errorf("the key ring %s is gone (%s says that there was one): restore it from a backup; or begin anew, which ends every session: remove %[2]s, then `sealring keys init --data %s`",
		p.path(ringFile), p.path(seenFile), p.Data)
}

func (p ringFolder) create(_ context.Context, ring *keys.Ring, master ringfile.MasterKey) error {
	return ringfile.Create(p.path(ringFile), master, ring)
}

func (p ringFolder) open(_ context.Context, masters ...ringfile.MasterKey) (ringStore, error) {
	f, err := ringfile.Open(p.path(ringFile), masters[0], masters[1:]...)
	if err != nil {
		return nil, err // not f, which would not be nil
	}
	return f, nil
}

// ringRedis is the ring that all replicas share. The data folder has a copy.
type ringRedis struct {
	*settings
	client redis.UniversalClient
}

const ringNamespace = redisstore.DefaultNamespace

func (p ringRedis) String() string { return "Redis" }

// folder makes the data folder where it is missing: a replica begins with none.
func (p ringRedis) folder() error { return makeData(p.Data) }

// find takes a copy for the ring: open writes it back if it is not there.
func (p ringRedis) find(ctx context.Context) error {
	if exists(p.path(redisCopy)) {
		return nil
	}
	generation, err := ringredis.Peek(ctx, p.client, ringNamespace)
	if err == nil && generation == 0 {
		err = fmt.Errorf("%w in Redis yet: make one with `sealring keys init --redis URL`, in the data folder of the ring that is to move there if there is one", errNoRing)
	}
	return err
}

func (p ringRedis) create(ctx context.Context, ring *keys.Ring, master ringfile.MasterKey) error {
	return ringredis.Create(ctx, p.config(master), ring)
}

func (p ringRedis) open(ctx context.Context, masters ...ringfile.MasterKey) (ringStore, error) {
	s, err := ringredis.Open(ctx, p.config(masters...))
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (p ringRedis) config(masters ...ringfile.MasterKey) ringredis.Config {
	return ringredis.Config{
		Client: p.client, Namespace: ringNamespace, CopyPath: p.path(redisCopy),
		Master: masters[0], Previous: masters[1:],
	}
}

// firstRing is what a place without a ring gets: the one of the data folder, if
// that is to move to Redis, or else a new one.
func (s *settings) firstRing(ctx context.Context, place ringPlace) (ring *keys.Ring, moves bool, err error) {
	if err := place.find(ctx); err == nil {
		return nil, false, fmt.Errorf("there is a key ring in %s already; nothing was changed", place)
	} else if !errors.Is(err, errNoRing) {
		return nil, false, err
	}
	if _, shared := place.(ringRedis); shared && !exists(s.path(movedFile)) {
		old, err := s.openRing(ctx, ringFolder{s})
		if err == nil {
			return old.Ring(), true, nil
		}
		if !errors.Is(err, errNoRing) && exists(s.Data) {
			return nil, false, err
		}
	}
	if ring, err = keys.NewRing(s.plan(), keys.Alg(s.Alg), time.Now()); err != nil {
		return nil, false, fmt.Errorf("making key ring: %w", err)
	}
	return ring, false, nil
}

// newRing puts a first ring into its place, and what it needs into the data
// folder.
func (s *settings) newRing(ctx context.Context, place ringPlace) (ring *keys.Ring, moved bool, err error) {
	if err := makeData(s.Data); err != nil {
		return nil, false, err
	}
	ring, moved, err = s.firstRing(ctx, place)
	if err != nil {
		return nil, false, err
	}
	had := exists(s.path(masterFile))
	master, err := s.newMasterKey()
	if err != nil {
		return nil, false, err
	}
	if _, err := s.newAdminToken(); err != nil {
		return nil, false, err
	}
	if err := place.create(ctx, ring, master); err != nil {
		if errors.Is(err, fs.ErrExist) && !had { // somebody else was first, with another master key
			_ = os.Remove(s.path(masterFile))
		}
		return nil, false, fmt.Errorf("writing key ring: %w", err)
	}
	if moved {
		if err := os.Rename(s.path(ringFile), s.path(movedFile)); err != nil {
			return nil, false, fmt.Errorf("the key ring is in Redis now; putting its file aside: %w", err)
		}
	}
	return ring, moved, nil
}
