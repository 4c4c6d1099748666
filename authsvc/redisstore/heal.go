package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

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

// agree returns the epoch to go on in. A log without one gets one, with the
// number of buckets that we have gone by or would like. A log that was rolled
// back under the epoch that we know must get a new one: a cursor is only valid
// in an epoch that has lost nothing.
func (l *Log) agree(ctx context.Context, at era) (era, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	found, err := l.stream.current(ctx)
	if err == nil && (found.text == at.text || found.id == 0 || found.buckets == 0) {
		found, err = l.stream.replace(ctx, found, cmp.Or(at.buckets, l.buckets))
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
	if to.buckets != l.buckets {
		l.logger.Warn("the refresh states in Redis are made for another number of sessions, which stays as it is", "sessions", perBucket*uint64(to.buckets))
	}
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
