package redisstore

import (
	"math/rand/v2"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// listen wakes the turns up when somebody else has appended.
func (l *Log) listen() {
	for l.ctx.Err() == nil {
		if l.Away() {
			pause(l.ctx, block)
			continue
		}
		at, err := l.stream.await(l.ctx, l.position().Cursor, block)
		if err != nil {
			pause(l.ctx, tick)
			continue
		}
		if at.Compare(l.position().Cursor) <= 0 { // nothing, or what we have appended ourselves
			continue
		}
		signal(l.kick)
		select {
		case <-l.turned:
		case <-time.After(tick):
		case <-l.ctx.Done():
		}
	}
}

// keepJournal writes what others have revoked to the journal.
func (l *Log) keepJournal() {
	for {
		select {
		case <-l.owing:
		case <-l.ctx.Done():
			return
		}
		for l.ctx.Err() == nil {
			l.mu.Lock()
			n := min(len(l.owed), authsvc.MaxAppend)
			batch := l.owed[:n:n]
			l.owed = l.owed[n:]
			l.mu.Unlock()
			if n == 0 {
				break
			}
			for err := l.journal.Append(l.ctx, batch...); err != nil && l.ctx.Err() == nil; err = l.journal.Append(l.ctx, batch...) {
				l.logger.Error("writing to the journal what others have revoked", "err", err)
				pause(l.ctx, tick)
			}
		}
	}
}

// tend keeps both the memory and the log in Redis as they should be.
func (l *Log) tend() {
	old := horizon/2 + rand.N(horizon/8) // of many replicas one is the first
	for pause(l.ctx, tendEvery) {
		l.renew(old)
	}
}

// renew forgets what has expired, and says again what was said so long ago
// that it would soon be too old for the log to be kept: it always holds
// everything that matters, so that whoever reads all of it knows all there is.
func (l *Log) renew(old time.Duration) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.sweep(now)
	for target, it := range l.queue.items {
		if it.entry.Expired(now.Add(-sweepAfter)) {
			delete(l.queue.items, target)
		}
	}
	again := l.known.before(revocation.Cursor{Ms: uint64(now.Add(-old).UnixMilli())}, now)
	for _, e := range again {
		l.queue.add(e)
	}
	if len(again) > 0 {
		signal(l.kick)
	}
}
