package issuer

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// How often the snapshot file is written: after a change, when nothing but the
// age of the list has changed, and never for more than a share of the time.
const (
	saveEvery    = 5 * time.Second
	saveAgeEvery = 30 * time.Second
	saveShare    = 20
)

// saved is what tells one content of the file from another.
type saved struct {
	position      revocation.Position
	entries       int // those that have no place in the log leave the position as it is
	set, sessions *keys.Set
	asOf          time.Time
}

// restore takes over what the snapshot file says, before anything is asked of
// the issuer. A file that can not be used is as good as none. The key set has
// outlived its age (setMaxAge is 0), so that the issuer is asked for all
// documents as soon as it is there.
func (f *Follower) restore(now time.Time) saved {
	sweep(f.cfg.Snapshot, now)
	s, err := f.readSnapshot(now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return saved{} // the first start
	case err != nil:
		f.log.Warn("snapshot file not used", "path", f.cfg.Snapshot, "fault", err.Error())
		return saved{}
	}
	f.list.Apply(now, s.frame.Entries...)
	asOf := s.frame.AsOf
	if asOf.After(now) {
		asOf = now
	}
	f.state.Store(&state{
		set: s.set, setAt: s.keysAt,
		sessions: s.sessions, noSessions: s.noSessions,
		position: s.frame.Pos, listed: true, asOf: asOf,
	})
	f.log.Info("starting from the snapshot file", "as_of", asOf, "keys_at", s.keysAt, "revocations", f.list.Len())
	return f.contents(f.state.Load())
}

func (f *Follower) readSnapshot(now time.Time) (*snapshot, error) {
	file, err := readFile(f.cfg.Snapshot)
	if err != nil {
		return nil, err
	}
	s, err := openSnapshot(f.cfg, file)
	if err != nil {
		return nil, err
	}
	return s, s.fit(now)
}

// saveOnChange keeps the snapshot file up to date until ctx ends, and once
// more then.
func (f *Follower) saveOnChange(ctx context.Context, last saved) {
	var (
		at    time.Time // of the last save
		fault error
		pause = saveEvery
	)
	for ctx.Err() == nil {
		sleep(ctx, pause)
		s := f.state.Load()
		now, is := time.Now(), f.contents(s)
		aged := is
		aged.asOf = last.asOf
		switch {
		case s.set == nil || s.position == (revocation.Position{}) || s.position.Partial(), is == last:
			continue // nothing to save: a list that lacks something is none
		case aged == last && now.Sub(at) < saveAgeEvery && ctx.Err() == nil:
			continue
		}
		err := f.save(s, now)
		if err != nil && fault == nil {
			f.log.Warn("snapshot file not written", "path", f.cfg.Snapshot, "fault", err.Error())
		}
		if fault = err; err == nil {
			last, at = is, now
		}
		pause = max(saveEvery, saveShare*time.Since(now))
	}
}

// contents names what save would write. The list is read after the state: it
// may be ahead of the position, and never lags behind.
func (f *Follower) contents(s *state) saved {
	return saved{position: s.position, entries: f.list.Len(), set: s.set, sessions: s.sessions, asOf: s.asOf}
}

func (f *Follower) save(s *state, now time.Time) error {
	keysAt := s.setAt
	if s.kept {
		keysAt = now
	}
	content, err := (&snapshot{
		keysAt: keysAt, set: s.set, sessions: s.sessions, noSessions: s.noSessions,
		frame: &revocation.Frame{Kind: revocation.Snapshot, Pos: s.position, AsOf: s.asOf, Entries: f.list.Entries(now)},
	}).seal(f.cfg)
	if err != nil {
		return err
	}
	return writeFile(f.cfg.Snapshot, content)
}
