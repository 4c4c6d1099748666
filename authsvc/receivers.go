package authsvc

import (
	"sync"

	"github.com/sealring-dev/sealring/tokens"
)

// maxReceivers is how many sessions one half of receivers holds, at about 400
// bytes each.
const maxReceivers = 20_000

// receivers remembers who was given the newest refresh token of the sessions
// that this replica has refreshed last, and how often somebody else was. What
// another replica has answered it does not see: two who are sent to different
// replicas, each always to the same one, are told apart by neither. It has two
// halves, as progress has.
type receivers struct {
	mu             sync.Mutex
	younger, older map[tokens.ID]receiver
}

type receiver struct {
	first    sender
	issuedAt int64 // of the token, Unix milliseconds
	others   uint
}

// note returns who was given the token of the outcome first, and how often
// others were given one of the session's, with this time; 0 where that was
// nobody else.
func (r *receivers) note(sid tokens.ID, out Outcome, to sender) (first sender, others uint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.younger) >= maxReceivers || r.younger == nil {
		r.younger, r.older = map[tokens.ID]receiver{}, r.younger
	}
	was, ok := r.younger[sid]
	if !ok {
		was, ok = r.older[sid]
	}
	switch {
	case !ok || was.issuedAt != out.IssuedAt:
		was.first, was.issuedAt = to, out.IssuedAt
	case was.first.addr != to.addr || was.first.agent != to.agent:
		was.others++
		others = was.others
	}
	r.younger[sid] = was
	return was.first, others
}
