package authsvc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Ending says that the sessions of a subject are over.
type Ending struct {
	Subject string
	At      time.Time // sessions that began later go on; zero: now
}

// EndSessions ends what subjects have now, access tokens included, at every
// verifier: because a password has changed, or somebody may not log in any
// more. It is to be called after the change. Each replica may call it for the
// same change, where At is known without any harm to sessions that have begun
// since.
func (s *Service) EndSessions(ctx context.Context, ends ...Ending) error {
	for part := range slices.Chunk(ends, MaxAppend) {
		var entries []revocation.Entry
		now := s.now()
		for _, e := range part {
			entries = append(entries, s.endingEntry(e, now))
		}
		if err := s.cfg.Log.Append(ctx, entries...); err != nil && !errors.Is(err, ErrNotShared) {
			return fmt.Errorf("appending ended sessions: %w", err)
		}
	}
	return nil
}

// endingEntry ends what began by a moment, to the second: what began later
// within that second is moved behind it (see admit).
//
// Where an earlier end is as late as this one, sessions may have been moved
// behind that, and this one has to be behind them in turn; but not so if that is
// this very end, as another replica has told it. Made tells them apart: that of
// an end which was told is later than its moment.
func (s *Service) endingEntry(e Ending, now time.Time) revocation.Entry {
	if e.At.IsZero() {
		return s.subjectEntry(e.Subject, now)
	}
	at := e.At.Truncate(time.Second)
	before, made := at.Add(time.Second), at.Add(time.Second)
	if was := s.endFound(e.Subject); int64(was.Made) <= at.Unix() && int64(was.T) >= before.Unix() {
		before = time.Unix(int64(was.T)+1, 0)
	}
	bound := now.Add(s.cfg.ClockSkew/2 + time.Second).Truncate(time.Second) // as that of after
	entry := revocation.SubjectEntry(s.cfg.Issuer, e.Subject, earlier(before, bound), s.outlives(now))
	if made = earlier(made, bound); made.Before(now) {
		made = now
	}
	entry.Made = uint32(made.Unix())
	return entry
}

// endFound is what is known of the last end of a subject's sessions; its zero
// value where there was none.
func (s *Service) endFound(sub string) revocation.Entry {
	e, _ := s.hub.list.Find(revocation.SubjectEntry(s.cfg.Issuer, sub, time.Time{}, time.Time{}).Target())
	return e
}
