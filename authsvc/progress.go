package authsvc

import (
	"sync"

	"github.com/sealring-dev/sealring/tokens"
)

// maxProgress is how many sessions one half of a progress holds.
const maxProgress = 250_000

// progress remembers how far the sessions have come that this replica has
// refreshed last: while the store is away nothing else tells an old refresh
// token from the newest one. It has two halves; when the younger is full it
// becomes the older, whose content goes.
type progress struct {
	mu             sync.Mutex
	younger, older map[tokens.ID]newestToken
}

// newestToken is what is known of the newest token of a session.
type newestToken struct {
	generation uint32
	issuedAt   int64 // Unix milliseconds
	active     bool  // a refresh in the foreground has led to it
}

func (p *progress) note(sid tokens.ID, out Outcome, active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.younger) >= maxProgress || p.younger == nil {
		p.younger, p.older = map[tokens.ID]newestToken{}, p.younger
	}
	was := p.of(sid)
	active = active || was.active && was.issuedAt == out.IssuedAt
	p.younger[sid] = newestToken{out.Generation, out.IssuedAt, active}
}

// of returns what is known of a session. The lock is held.
func (p *progress) of(sid tokens.ID) newestToken {
	if newest, ok := p.younger[sid]; ok {
		return newest
	}
	return p.older[sid]
}

// active reports whether a refresh in the foreground is known to have led to
// the token that was issued then.
func (p *progress) active(sid tokens.ID, issuedAt int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := p.of(sid)
	return newest.active && newest.issuedAt == issuedAt
}

// replaced reports whether a token is known to have been replaced for longer
// than its grace at now, Unix milliseconds.
func (p *progress) replaced(shown Presentation, now int64) bool {
	p.mu.Lock()
	newest := p.of(shown.SessionID)
	p.mu.Unlock()
	if shown.Generation >= newest.generation {
		return false
	}
	return shown.Generation+1 < newest.generation || now-newest.issuedAt > shown.grace().Milliseconds()
}
