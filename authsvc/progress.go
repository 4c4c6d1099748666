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
}

func (p *progress) note(sid tokens.ID, out Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.younger) >= maxProgress || p.younger == nil {
		p.younger, p.older = map[tokens.ID]newestToken{}, p.younger
	}
	p.younger[sid] = newestToken{out.Generation, out.IssuedAt}
}

// replaced reports whether a token is known to have been replaced for longer
// than its grace at now, Unix milliseconds.
func (p *progress) replaced(shown Presentation, now int64) bool {
	p.mu.Lock()
	newest, ok := p.younger[shown.SessionID]
	if !ok {
		newest, ok = p.older[shown.SessionID]
	}
	p.mu.Unlock()
	if !ok || shown.Generation >= newest.generation {
		return false
	}
	return shown.Generation+1 < newest.generation || now-newest.issuedAt > shown.grace().Milliseconds()
}
