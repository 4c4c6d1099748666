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
func (s *Service) endingEntry(e Ending, now time.Time) revocation.Entry {
	entry := s.subjectEntry(e.Subject, now)
	if e.At.IsZero() {
		return entry
	}
	before := earlier(e.At.Truncate(time.Second).Add(time.Second), time.Unix(int64(entry.T), 0))
	return revocation.SubjectEntry(s.cfg.Issuer, e.Subject, before, s.outlives(now))
}

// endOf is up to when the sessions of a subject have ended, Unix seconds; zero
// where none have.
func (s *Service) endOf(sub string) int64 {
	e, _ := s.hub.list.Find(revocation.SubjectEntry(s.cfg.Issuer, sub, time.Time{}, time.Time{}).Target())
	return int64(e.T)
}
