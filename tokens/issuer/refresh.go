package issuer

import (
	"context"
	"errors"
	"time"
)

// refreshEvery is the least time between two fetches of the key set that
// unknown keys lead to, whatever is thrown at a verifier.
const refreshEvery = 10 * time.Second

// Refresh says that a token named a key that is not known. The set is fetched
// again, once for all who ask, at the earliest refreshEvery after the last
// time that it was fetched or that the feed said what it is. Also while a feed
// is live: the replica behind it may lag behind the one that signed. It never
// blocks.
func (f *Follower) Refresh() {
	if s := f.state.Load(); s.set != nil && s.meta != nil { // before that the start is at it
		signal(f.asked)
	}
}

// errOtherKeys are session keys other than those that the feed names: from a
// replica that lags behind the feed's, or is ahead of it.
var errOtherKeys = errors.New("not the session keys that the feed names")

// refreshOnDemand fetches keys when Refresh asked for it.
func (f *Follower) refreshOnDemand(ctx context.Context) {
	var tried time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.asked:
		}
		setAt := f.state.Load().setAt
		sleep(ctx, max(time.Until(setAt.Add(refreshEvery)), time.Until(tried.Add(refreshEvery))))
		if ctx.Err() != nil || f.state.Load().setAt != setAt {
			continue // a newer set has come meanwhile
		}
		select { // who has asked up to here is served by the fetch that comes
		case <-f.asked:
		default:
		}
		tried = time.Now() // a failure counts as much as a fetch
		if err := f.fetchKeySet(ctx); err != nil {
			f.log.Debug("fetching the key set for an unknown key", "fault", err.Error())
			continue
		}
		if f.hasClient() {
			signal(f.wanted)
		}
	}
}

// fetchSessionsOnDemand fetches the session keys when others are named than
// are held, until that has succeeded.
func (f *Follower) fetchSessionsOnDemand(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wanted:
		}
		var retry backoff
		for ctx.Err() == nil {
			err := f.fetchSessionKeys(ctx)
			if err == nil && f.state.Load().differs() {
				err = errOtherKeys
			}
			if err == nil || forbidden(err) {
				break
			}
			f.log.Debug("fetching session keys", "fault", err.Error())
			if pause := max(retry.next(), asked(err)); asked(err) > 0 {
				sleep(ctx, pause)
			} else if await(ctx, f.wanted, pause) {
				retry.reset() // the feed names others now
			}
		}
	}
}

// await waits for a signal, but no longer than d, and reports whether it came.
func await(ctx context.Context, c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// signal wakes a goroutine up; one wake-up stands for many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
