package issuer

import (
	"context"
	"time"
)

// refreshEvery is the least time between two fetches of the key set that
// unknown keys lead to, whatever is thrown at a verifier.
const refreshEvery = 10 * time.Second

// Refresh says that a token named a key that is not known. While a live feed
// keeps the key set it does nothing: what the feed has not named does not
// exist. Otherwise the set is fetched again, once for all who ask, at the
// earliest refreshEvery after the last time. It never blocks.
func (f *Follower) Refresh() {
	if f.state.Load().set != nil { // before that the start is at it
		signal(f.asked)
	}
}

// refreshOnDemand fetches keys when Refresh asked for it.
func (f *Follower) refreshOnDemand(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.asked:
		}
		sleep(ctx, time.Until(f.state.Load().setAt.Add(refreshEvery)))
		if ctx.Err() != nil || f.state.Load().kept {
			continue
		}
		select { // who has asked up to here is served by the fetch that comes
		case <-f.asked:
		default:
		}
		if err := f.fetchKeySet(ctx); err != nil {
			f.log.Debug("fetching the key set for an unknown key", "fault", err.Error())
			sleep(ctx, refreshEvery) // a failure counts as much as a fetch
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
			if err == nil || forbidden(err) {
				break
			}
			f.log.Debug("fetching session keys", "fault", err.Error())
			sleep(ctx, max(retry.next(), asked(err)))
		}
	}
}

// signal wakes a goroutine up; one wake-up stands for many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
