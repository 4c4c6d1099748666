package authsvc

import (
	"context"
	"sync"

	"github.com/sealring-dev/sealring/tokens"
)

// turnstile lets one change of a session's data through at a time. The store
// alone keeps changes apart; but a hundred at once that each find that another
// came first would seal and ask it five thousand times. Between replicas it is
// left to the store.
type turnstile struct {
	mu    sync.Mutex
	lines map[tokens.ID]*line
}

type line struct {
	turn    chan struct{} // held by who is through
	waiting int           // with who is through
}

// enter waits until nobody else is through for the session. Who is must call
// leave.
func (t *turnstile) enter(ctx context.Context, sid tokens.ID) (leave func(), err error) {
	t.mu.Lock()
	if t.lines == nil {
		t.lines = map[tokens.ID]*line{}
	}
	l := t.lines[sid]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		t.lines[sid] = l
	}
	l.waiting++
	t.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; t.quit(sid, l) }, nil
	case <-ctx.Done():
		t.quit(sid, l)
		return nil, ctx.Err()
	}
}

func (t *turnstile) quit(sid tokens.ID, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		delete(t.lines, sid)
	}
}
