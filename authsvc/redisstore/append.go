package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Append implements authsvc.Log: nil once the entries are in the journal and
// were read back from Redis, authsvc.ErrNotShared if Redis does not answer.
func (l *Log) Append(ctx context.Context, entries ...revocation.Entry) error {
	if err := check(entries); err != nil {
		return err
	}
	if err := l.usable(ctx); err != nil {
		return err
	}
	merged, w, away := l.offer(entries)
	if len(merged) == 0 {
		return nil
	}
	entombed := l.entomb(merged)
	defer func() { <-entombed }()
	if err := l.journal.Append(ctx, merged...); err != nil {
		return fmt.Errorf("appending to the journal: %w", err)
	}
	return l.shared(ctx, merged, w, away)
}

func check(entries []revocation.Entry) error {
	if len(entries) > authsvc.MaxAppend {
		return fmt.Errorf("appending %d entries, more than %d: %w", len(entries), authsvc.MaxAppend, revocation.ErrInvalid)
	}
	for _, e := range entries {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("appending: %w", err)
		}
	}
	return nil
}

// offer makes the entries known and puts what they add in the queue. It
// returns all of them as they are known now, what to wait for, nil if nothing,
// and the sign that waiting is of no use.
func (l *Log) offer(entries []revocation.Entry) (merged []revocation.Entry, w *wait, away chan struct{}) {
	now := l.now()
	w = newWait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if e.Expired(now) {
			continue
		}
		m, fresh := l.known.offer(e, now)
		merged = append(merged, m)
		switch {
		case fresh:
			l.queue.say(m, w, now)
		case l.era.text == "": // what the journal held may not be in a log that was never read
			l.queue.say(m, w, time.Time{})
		default:
			l.queue.follow(m.Target(), w)
		}
	}
	if w.left == 0 {
		return merged, nil, nil
	}
	signal(l.kick)
	return merged, w, l.away
}

// shared waits until the entries were read back. Where that takes long they
// are put in force here all the same.
func (l *Log) shared(ctx context.Context, entries []revocation.Entry, w *wait, away chan struct{}) error {
	if w == nil {
		l.told()
		return nil
	}
	soon, late := time.NewTimer(l.timeout/10), time.NewTimer(l.timeout)
	defer soon.Stop()
	defer late.Stop()
	told := false
	for {
		select {
		case <-w.done:
			return nil
		case <-soon.C:
			l.tellHere(entries)
			told = true
			continue
		case <-away:
		case <-late.C:
		case <-ctx.Done():
		case <-l.ctx.Done():
			return authsvc.ErrStoreClosed
		}
		if !told {
			l.tellHere(entries)
		}
		select {
		case <-w.done:
			return nil
		default:
			return authsvc.ErrNotShared // the journal has them: not even the end of ctx makes it less
		}
	}
}

// told waits until the followers have heard of all that was read back.
func (l *Log) told() {
	l.order.Lock()
	defer l.order.Unlock()
}

// tellHere tells the followers of entries that have no place in the log yet.
func (l *Log) tellHere(entries []revocation.Entry) {
	l.order.Lock()
	defer l.order.Unlock()
	p, asOf := l.position(), l.AsOf()
	l.tell(delta(p, p.Cursor, asOf, entries))
}
