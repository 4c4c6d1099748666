package redisstore

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	tick        = time.Second / 2        // between two turns when nothing happens
	block       = 200 * time.Millisecond // of one wait for news, which Close has to sit out
	healSpread  = 500 * time.Millisecond
	turnTimeout = time.Second     // of a turn; an Append does not wait for all of it
	slowTimeout = 5 * time.Second // of what nobody waits for
	tendEvery   = time.Minute
)

// run makes one turn after the other until the Log is closed.
func (l *Log) run() {
	const shortest, longest = 50 * time.Millisecond, time.Second
	wait := shortest
	for l.ctx.Err() == nil {
		more, err := l.turn(l.ctx)
		signal(l.turned)
		switch {
		case l.ctx.Err() != nil:
			return
		case err != nil:
			l.lost(err)
			pause(l.ctx, wait)
			wait = min(2*wait, longest)
			continue
		case more:
			continue
		}
		wait = shortest
		select {
		case <-l.kick:
		case <-time.After(tick):
		case <-l.ctx.Done():
		}
	}
}

// turn sends what is in line and reads what is new: one round trip. It reports
// whether there is more to do at once.
func (l *Log) turn(ctx context.Context) (more bool, err error) {
	l.mu.Lock()
	at, from, most := l.era, l.place, l.page
	blobs := l.blobs()
	l.mu.Unlock()
	if at.text == "" { // no epoch of Redis is known yet
		return true, l.heal(ctx, at)
	}
	began := l.now()
	brief, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	a, err := l.stream.turn(brief, at, from, most, blobs)
	if err != nil {
		return false, err
	}
	l.compareClocks(began, a.now)
	if !a.stands {
		l.logger.Warn("Redis has lost revocations; writing back what is known", "epoch", at.text, "found", a.era.text, "cursor", from.cursor.String())
		if !pause(ctx, rand.N(healSpread)) {
			return false, ctx.Err()
		}
		return true, l.heal(ctx, at)
	}
	l.back()
	more = l.take(a, began)
	if !more && a.now.Sub(cursorTime(l.position().Cursor)) > quietFor && from.cursor != (revocation.Cursor{}) {
		return false, l.stream.keep(brief)
	}
	return more, nil
}

// compareClocks takes Redis to have read its clock in the middle of a turn.
func (l *Log) compareClocks(began, redis time.Time) {
	here := began.Add(l.now().Sub(began) / 2)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skew = here.Sub(redis)
}

func cursorTime(c revocation.Cursor) time.Time { return time.UnixMilli(int64(c.Ms)) }

// blobs are the next appends. The lock is held.
func (l *Log) blobs() (blobs [][]byte) {
	for range turnBlobs {
		entries := l.queue.next(blobLimit, l.now())
		if len(entries) == 0 {
			break
		}
		blobs = append(blobs, blob(entries))
	}
	return blobs
}

// take merges what was read, moves the position on and tells the followers;
// only then the appends go on that waited for it. It reports whether the end
// of the log was not reached.
func (l *Log) take(a answer, began time.Time) (more bool) {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	prev := revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor}
	var news []revocation.Entry
	var over []*wait
	for _, one := range a.read {
		n, o := l.read(one)
		news, over = append(news, n...), append(over, o...)
		l.place = one.place
	}
	more = true
	if len(a.read) == l.page {
		l.page = min(2*l.page, pageLimit)
	} else {
		l.asOf = began
		l.queue.again() // the end is reached: what was sent and not read is not there
		more = len(l.queue.line) > 0
	}
	to, asOf := l.place.cursor, l.asOf
	l.mu.Unlock()
	if to != prev.Cursor {
		l.tell(delta(prev, to, asOf, news))
	}
	for _, w := range over {
		close(w.done)
	}
	return more
}

// read merges one append. It returns what the followers must hear of: what was
// not known, and what they have heard of without its place in the log, if at
// all. The lock is held.
func (l *Log) read(one appended) (news []revocation.Entry, over []*wait) {
	if one.damage != nil {
		l.logger.Error("a part of the log in Redis can not be read and is passed over", "err", one.damage)
	}
	now := l.now()
	for _, e := range one.entries {
		if e.Expired(now) {
			over = append(over, l.queue.settle(e)...)
			continue
		}
		_, ours := l.queue.items[e.Target()]
		fresh := l.known.take(e, one.cursor)
		if fresh {
			l.owed = append(l.owed, e)
			signal(l.owing)
		}
		if fresh || ours {
			merged, _ := l.known.find(e.Target())
			news = append(news, merged)
		}
		over = append(over, l.queue.settle(e)...)
	}
	return news, over
}

// lost notes that Redis does not answer: nobody waits for it any more, and
// what was sent counts as not sent.
func (l *Log) lost(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.again()
	l.page = pageLeast
	select {
	case <-l.away:
	default:
		close(l.away)
		l.logger.Warn("the Redis of the revocations does not answer; they are kept here and shared when it is back", "err", err)
	}
}

// back notes that it does.
func (l *Log) back() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.away:
		l.away = make(chan struct{})
		l.logger.Info("the Redis of the revocations answers again", "to_share", len(l.queue.items))
	default:
	}
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
