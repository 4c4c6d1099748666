package authsvc

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// revoke makes entries durable and known. shared says whether to every
// replica: where it is false the shared store can not be reached, and they are
// in force on this one and at its subscribers until it is back.
func (s *Service) revoke(r *http.Request, entries ...revocation.Entry) (shared bool, err error) {
	ctx, cancel := s.storeContext(r.Context())
	defer cancel()
	err = s.cfg.Log.Append(ctx, entries...)
	if errors.Is(err, ErrNotShared) {
		err = s.cfg.Log.Append(ctx, s.lasting(entries)...)
	}
	switch {
	case errors.Is(err, ErrNotShared):
		s.log.WarnContext(r.Context(), "a revocation is not shared yet", "request_id", requestID(r))
		return false, nil
	case err != nil:
		return false, unavailable(fmt.Errorf("appending a revocation: %w", err))
	}
	return true, nil
}

// lasting returns entries that may go round late. The end of a session is
// forgotten once its last refresh token has run out, which supposes that
// nobody renews it any more; but who has not heard of it does, at most to the
// session's own end. Every other entry lasts so long as it is.
func (s *Service) lasting(entries []revocation.Entry) []revocation.Entry {
	var late []revocation.Entry
	end := s.outlives(s.now())
	for _, e := range entries {
		if e.Type == revocation.Session {
			e = e.Merge(revocation.SessionEntry(e.ID, end, end))
		}
		late = append(late, e)
	}
	return late
}

// revoked is the answer when all is done: the status, or 202 and the reason
// where that was not shared.
func revoked(status int, shared bool) (*reply, error) {
	if shared {
		return newReply(status), nil
	}
	return jsonReply(http.StatusAccepted, openapi.NotShared{Durable: true, Shared: false})
}
