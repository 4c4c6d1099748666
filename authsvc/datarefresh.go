package authsvc

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// withNewData is the answer to a refresh with the data of the session as it is
// now, nil where the cookie that came along has it, or nobody can say. It is looked
// up once the token is spent: a store that does not answer must not be waited
// for twice. So what does not fit any more is left as it came.
func (s *Service) withNewData(ctx context.Context, g *grant, base http.Header, now time.Time) *reply {
	if s.cfg.Data == nil {
		return nil
	}
	ctx, cancel := s.storeContext(ctx)
	defer cancel()
	v, err := s.readData(ctx, g.claims.SessionID, &tokens.Session{Data: g.data, Version: g.version}, nil, now)
	if err != nil {
		s.log.WarnContext(ctx, "refreshing with the data of the cookie", "cause", err)
		return nil
	}
	s.resealData(ctx, g, v, now)
	if v.state.Version == g.version {
		return nil
	}
	with := *g
	with.version = v.state.Version
	if with.data, err = v.state.json(); err != nil {
		return nil
	}
	p, err := s.granted(&with, now)
	if err != nil || s.fits(p, base) != nil {
		return nil
	}
	return p
}

// resealData seals what the store has of a session with the key of now. If that
// fails, or somebody else changes the data, the next refresh does it.
func (s *Service) resealData(ctx context.Context, g *grant, v *dataView, now time.Time) {
	if v.head == nil || s.isCurrent(v.head, now) {
		return
	}
	sid := g.claims.SessionID
	all, err := s.readData(ctx, sid, &tokens.Session{}, slices.Clone(v.state.Stored), now)
	if err == nil && all.head != nil {
		_, err = s.writeData(ctx, sid, all, all.cells, g.end, now)
	}
	if err != nil {
		s.log.WarnContext(ctx, "sealing the data of a session anew", "cause", err)
	}
}

func (s *Service) isCurrent(cell []byte, now time.Time) bool {
	key, err := s.hub.signer(keys.RefreshToken, now)
	if err != nil {
		return true // nothing can be done about it now
	}
	in, err := tokens.InspectUnverified(string(cell))
	return err == nil && in.KeyID == key.ID
}
