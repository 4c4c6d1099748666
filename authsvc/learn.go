package authsvc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Learn takes in what the feed of another replica says: entries that the Log
// has not brought because the store that they share is away. A feed forgets an
// entry as soon as no access token can match it, so each gets the life that it
// would have if it were made here now. What is known already is passed over:
// replicas that learn from each other come to rest. Errors as for Log.Append,
// but that nobody else has been told yet is none.
func (s *Service) Learn(ctx context.Context, heard []revocation.Entry) error {
	now := s.now()
	var news []revocation.Entry
	for _, e := range heard {
		if known, ok := s.hub.list.Find(e.Target()); !ok || known.T < e.T {
			news = append(news, e.Merge(s.lived(e, now)))
		}
	}
	for batch := range slices.Chunk(news, MaxAppend) {
		ctx, cancel := s.storeContext(ctx)
		err := s.cfg.Log.Append(ctx, batch...)
		cancel()
		if err != nil && !errors.Is(err, ErrNotShared) {
			return fmt.Errorf("keeping what another replica has revoked: %w", err)
		}
	}
	return nil
}

// lived is an entry with the life that its type has here.
func (s *Service) lived(e revocation.Entry, now time.Time) revocation.Entry {
	end := time.Unix(int64(e.Exp), 0)
	switch e.Type {
	case revocation.Session:
		end = s.ends(now)
	case revocation.Subject, revocation.Client, revocation.Audience, revocation.All:
		end = s.outlives(now)
	}
	e.Exp = uint32(end.Unix() + 1)
	return e
}
