package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

const (
	minKeySetAge     = 10 * time.Second
	defaultKeySetAge = 5 * time.Minute
	maxKeySetAge     = time.Hour
)

// errNoSessionKeys is an issuer that names no place for them.
var errNoSessionKeys = errors.New("issuer has no session keys to give")

// documents fetches what is missing or too old, in the order in which it
// depends on each other.
func (f *Follower) documents(ctx context.Context) error {
	if f.current(time.Now()) {
		return nil
	}
	if err := f.fetchMetadata(ctx); err != nil {
		return err
	}
	if err := f.fetchKeySet(ctx); err != nil {
		return err
	}
	if !f.hasClient() {
		return nil
	}
	err := f.fetchSessionKeys(ctx)
	if forbidden(err) {
		f.log.Warn("session keys refused: session cookies can not be opened", "fault", err.Error())
		f.update(func(s *state) { s.noSessions = true })
		return nil
	}
	return err
}

// current reports whether all documents are there and the key set is within
// its age.
func (f *Follower) current(now time.Time) bool {
	s := f.state.Load()
	return s.set != nil && !s.due && now.Sub(s.setAt) < s.setMaxAge && (!f.hasClient() || s.sessions != nil || s.noSessions)
}

func (f *Follower) fetchMetadata(ctx context.Context) error {
	uri := strings.TrimSuffix(f.place.base.String(), "/") + metadataPath
	doc, _, err := f.fetch(ctx, uri, "application/json", false, maxMetadata)
	if err != nil {
		return err
	}
	m, err := parseMetadata(doc, f.cfg.Issuer, f.place)
	if err != nil {
		return err
	}
	f.update(func(s *state) { s.meta = m })
	return nil
}

// fetchKeySet takes the key set from the issuer. It comes from the origin
// itself and is newer than any generation heard of before, even of a ring that
// was made anew. Not so while a live feed keeps the set: what a cache on the
// way or a replica that lags gives then only counts if it says that it is
// newer.
func (f *Follower) fetchKeySet(ctx context.Context) error {
	asked := time.Now()
	doc, header, err := f.fetch(ctx, f.state.Load().meta.jwksURI, "application/jwk-set+json, application/json", false, maxKeySet)
	if err != nil {
		return err
	}
	set, err := keys.ParseSet(doc)
	if err != nil {
		return fmt.Errorf("reading the key set: %w", err)
	}
	f.update(func(s *state) {
		generation := generationOf(header)
		if s.kept && generation <= s.generation {
			return
		}
		f.noteKeys(s.set, set, generation)
		s.set, s.setAt, s.setMaxAge, s.setGen, s.due = set.Keeping(s.set), asked, maxAge(header), generation, false
		s.generation = 0
		if s.kept {
			s.generation = generation
		}
	})
	f.tell()
	return nil
}

func (f *Follower) fetchSessionKeys(ctx context.Context) error {
	uri := f.state.Load().meta.sessionKeysURI
	if uri == "" {
		return errNoSessionKeys
	}
	doc, header, err := f.fetch(ctx, uri, "application/jwk-set+json, application/json", true, maxKeySet)
	if err != nil {
		return err
	}
	set, err := keys.ParseSet(doc)
	if err != nil {
		return fmt.Errorf("reading the session keys: %w", err)
	}
	f.update(func(s *state) {
		generation := generationOf(header)
		switch {
		case !s.kept:
		case slices.Equal(kids(set), s.named):
			generation = max(generation, s.generation)
		case s.sessions != nil && generation < s.generation:
			return // from a replica that lags behind the feed's
		case s.sessions != nil && generation == s.generation && s.allNamed():
			// Within a generation keys can only end, by the clock, which the feed
			// says a heartbeat later. What has come must not wait for that.
			set = keys.MergeSets(set, s.sessions)
		}
		s.sessions, s.noSessions, s.sessionsGen = set, false, generation
	})
	f.tell()
	return nil
}

// differs reports whether the session keys held are others than a live feed
// names: one has come, or one is gone and must not be kept. They may be newer
// than what the feed knows.
func (s *state) differs() bool {
	return s.kept && s.sessions != nil && s.sessionsGen <= s.generation && !slices.Equal(kids(s.sessions), s.named)
}

// allNamed reports whether the feed still names every session key held.
func (s *state) allNamed() bool {
	for _, kid := range kids(s.sessions) {
		if !slices.Contains(s.named, kid) {
			return false
		}
	}
	return true
}

// noteKeys logs a change of the key set.
func (f *Follower) noteKeys(old, now *keys.Set, generation uint64) {
	if old != nil && slices.Equal(kids(old), kids(now)) {
		return
	}
	f.log.Info("key set changed", "keys", kids(now), "generation", generation)
}

func kids(s *keys.Set) []string {
	var ids []string
	for _, k := range s.Keys() {
		ids = append(ids, k.ID)
	}
	slices.Sort(ids)
	return ids
}

// forbidden tells a client that is known and lacks the scope. It is no fault
// that a retry could cure: such a service is not meant to open cookies.
func forbidden(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == http.StatusForbidden
}
