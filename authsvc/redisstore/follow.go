package redisstore

import (
	"context"
	"fmt"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Follow implements authsvc.Log. Beside the deltas it delivers what has no
// place in the log yet, with a Prev that is its Pos, and a rebase when Redis
// has lost something: the position goes on in a new epoch.
func (l *Log) Follow(ctx context.Context, deliver func(authsvc.Batch)) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	id := l.join(deliver)
	defer l.leave(id)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return authsvc.ErrStoreClosed
	}
}

func (l *Log) join(deliver func(authsvc.Batch)) int {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	first := authsvc.Batch{Frame: revocation.Frame{
		Kind: revocation.Snapshot,
		Pos:  revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor},
		AsOf: l.asOf, Entries: l.known.all(l.now()),
	}}
	l.mu.Unlock()
	deliver(first)
	l.nextID++
	l.followers[l.nextID] = deliver
	return l.nextID
}

func (l *Log) leave(id int) {
	l.order.Lock()
	defer l.order.Unlock()
	delete(l.followers, id)
}

// Since implements authsvc.Log, from memory.
func (l *Log) Since(ctx context.Context, p revocation.Position) (authsvc.Batch, error) {
	if err := l.usable(ctx); err != nil {
		return authsvc.Batch{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Epoch != l.era.id || p.Cursor.Compare(l.place.cursor) > 0 {
		return authsvc.Batch{}, fmt.Errorf("reading on from %v: %w", p, authsvc.ErrUnknownPosition)
	}
	now := l.now()
	entries := l.known.after(p.Cursor, now)
	for _, it := range l.queue.items {
		if !it.entry.Expired(now) && l.known.entries[it.entry.Target()].at.Compare(p.Cursor) <= 0 {
			entries = append(entries, it.entry)
		}
	}
	return delta(p, l.place.cursor, l.asOf, entries), nil
}

func (l *Log) position() revocation.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor}
}

// tell hands a batch to the followers. The order is held.
func (l *Log) tell(b authsvc.Batch) {
	for _, deliver := range l.followers {
		deliver(b)
	}
}
