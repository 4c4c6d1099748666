package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	tick        = time.Second // between two turns when nothing happens
	block       = tick / 5    // of one wait for news, which Close has to sit out
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

// heal joins the log in Redis, which is another one than at was: Redis was
// emptied, was rolled back by a failover, or was never read. What it holds is
// merged, what it lacks is put in line.
func (l *Log) heal(ctx context.Context, at era) error {
	found, err := l.agree(ctx, at)
	if err != nil {
		return err
	}
	began := l.now()
	var all []appended
	var last place
	for {
		page, err := l.readPage(ctx, last)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		all, last = append(all, page...), page[len(page)-1].place
	}
	brief, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	if still, err := l.stream.current(brief); err != nil || still.text != found.text {
		return errors.Join(fmt.Errorf("%w: the epoch changed while the log was read", ErrUnavailable), err)
	}
	l.rebase(found, last, all, began)
	l.back()
	if at.text != "" {
		signal(l.untombed)
	}
	return nil
}

// agree returns the epoch to go on in. A log without one gets one. A log that
// was rolled back under the epoch that we know must get a new one: a cursor is
// only valid in an epoch that has lost nothing.
func (l *Log) agree(ctx context.Context, at era) (era, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	found, err := l.stream.current(ctx)
	if err == nil && (found.text == at.text || found.id == 0) {
		found, err = l.stream.replace(ctx, found)
	}
	return found, err
}

// readPage tries smaller pages where a large one takes too long.
func (l *Log) readPage(ctx context.Context, after place) (page []appended, err error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	for most := pageLimit; most >= pageLeast; most /= 2 {
		if page, err = l.stream.page(ctx, after, most); err == nil {
			break
		}
	}
	return page, err
}

// rebase takes over another log.
func (l *Log) rebase(to era, last place, all []appended, began time.Time) {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	prev := revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor}
	var news []revocation.Entry
	var over []*wait
	l.known.uproot()
	for _, one := range all {
		n, o := l.read(one)
		news, over = append(news, n...), append(over, o...)
	}
	held := merged(all)
	for _, e := range l.known.all(l.now()) {
		if h, ok := held[e.Target()]; !ok || !h.Covers(e) {
			it := l.queue.add(e)
			it.news = it.news || l.since.IsZero() // from the journal: perhaps it was never shared
		}
	}
	l.queue.again()
	l.era, l.place, l.asOf = to, last, began
	if l.since.IsZero() {
		l.since = to.born
		close(l.joined)
	}
	missing := len(l.queue.items)
	pos := revocation.Position{Epoch: to.id, Cursor: last.cursor}
	l.mu.Unlock()
	l.logger.Info("joined the log in Redis", "epoch", to.text, "entries", len(held), "to_write_back", missing)
	l.tell(authsvc.Batch{Frame: revocation.Frame{
		Kind: revocation.Rebase, PrevEpoch: prev.Epoch, Prev: prev.Cursor, Pos: pos, AsOf: began, Entries: news,
	}})
	for _, w := range over {
		close(w.done)
	}
}

func merged(all []appended) map[revocation.Target]revocation.Entry {
	held := map[revocation.Target]revocation.Entry{}
	for _, one := range all {
		for _, e := range one.entries {
			if old, ok := held[e.Target()]; ok {
				e = e.Merge(old)
			}
			held[e.Target()] = e
		}
	}
	return held
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

// listen wakes the turns up when somebody else has appended.
func (l *Log) listen() {
	for l.ctx.Err() == nil {
		if l.Away() {
			pause(l.ctx, tick)
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
