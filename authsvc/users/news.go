package users

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// maxTold is how long a login waits for the news of its subject to be told.
const maxTold = time.Second

// news is what has changed in the file and was not told yet. It is noted
// between each two copies of the file that were read here, so that none from
// which a token was made is left out.
type news struct {
	wake chan struct{} // there is some

	mu       sync.Mutex
	watching int
	restated []string // sorted
	ended    []authsvc.Ending
	telling  chan struct{} // closed when ended has been told; nil: nothing is to be told
}

func (n *news) note(old, now userTable) {
	restated, ended := compare(old, now)
	if len(restated)+len(ended) == 0 {
		return
	}
	n.add(restated, ended)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *news) add(restated []string, ended []authsvc.Ending) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.restated = sorted(append(n.restated, restated...))
	n.ended = append(n.ended, ended...)
	if len(n.ended) > 0 && n.telling == nil {
		n.telling = make(chan struct{})
	}
}

func (n *news) watched(by bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if by {
		n.watching++
	} else {
		n.watching--
	}
}

// tell tells what there is. Sessions are ended first.
func (n *news) tell(w Watcher) {
	n.mu.Lock()
	restated, ended, telling := n.restated, slices.Clone(n.ended), n.telling
	n.restated = nil
	n.mu.Unlock()
	if len(ended) > 0 && w.Ended(ended) == nil {
		n.mu.Lock()
		n.ended = n.ended[len(ended):] // what was noted meanwhile is still to be told
		if len(n.ended) == 0 {
			close(telling)
			n.telling = nil
		}
		n.mu.Unlock()
	}
	if len(restated) > 0 && w.Restated(restated) != nil {
		n.add(restated, nil)
	}
}

// told waits until it was told that the sessions of a subject have ended: one
// that began with the new password is not to end with them.
func (n *news) told(ctx context.Context, subject string) {
	n.mu.Lock()
	telling := n.telling
	concerned := n.watching > 0 && slices.ContainsFunc(n.ended, func(e authsvc.Ending) bool { return e.Subject == subject })
	n.mu.Unlock()
	if !concerned {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxTold)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-telling:
	}
}
