package authsvc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

const (
	maxUnsettled = 100_000
	settleEvery  = time.Second
)

// attempt is a refresh that the store did not judge: it gave no answer, or was
// known to be away. The client got a new access token all the same.
type attempt struct {
	shown   Presentation
	granted time.Time // by the clock of the store
	token   *tokens.Refresh
	from    sender
}

// unsettled are the attempts that the store has still to judge. They are kept
// in memory alone: what a replica that is killed meanwhile forgets is an alarm
// about a thief, or, where the store made a step and neither its answer nor the
// one without it has arrived, a client that comes back after the grace.
type unsettled struct {
	mu   sync.Mutex
	all  []attempt // the oldest first
	of   map[tokens.ID]int
	lost int // attempts that were let go for want of room
}

// add takes an attempt in. Those who presented a token together made one.
func (u *unsettled) add(a attempt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[a.shown.SessionID] > 0 && slices.ContainsFunc(u.all, func(b attempt) bool { return a.shown == b.shown }) {
		return
	}
	if u.of == nil {
		u.of = map[tokens.ID]int{}
	}
	if len(u.all) == maxUnsettled {
		u.drop(0)
		u.lost++
	}
	u.all = append(u.all, a)
	u.of[a.shown.SessionID]++
}

// drop forgets the attempt at an index. The lock is held.
func (u *unsettled) drop(i int) {
	sid := u.all[i].shown.SessionID
	if u.of[sid]--; u.of[sid] == 0 {
		delete(u.of, sid)
	}
	if i == 0 {
		u.all = u.all[1:]
		return
	}
	u.all = append(u.all[:i], u.all[i+1:]...)
}

// next returns the oldest attempt.
func (u *unsettled) next() (attempt, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) == 0 {
		return attempt{}, false
	}
	return u.all[0], true
}

// done forgets attempts once they are judged.
func (u *unsettled) done(judged ...attempt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range judged {
		for i := range u.all {
			if u.all[i] == a {
				u.drop(i)
				break
			}
		}
	}
}

// about returns the attempts of a session.
func (u *unsettled) about(sid tokens.ID) (found []attempt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[sid] == 0 {
		return nil
	}
	for _, a := range u.all {
		if a.shown.SessionID == sid {
			found = append(found, a)
		}
	}
	return found
}

// settleAll has attempts judged as long as the store answers, until ctx ends.
func (s *Service) settleAll(ctx context.Context) {
	for pause(ctx, settleEvery) {
		for ctx.Err() == nil {
			a, ok := s.unsettled.next()
			if !ok || s.settle(ctx, a) != nil {
				break // nothing left, or the store is still away
			}
		}
	}
}

// settle has one attempt judged. On theft the session ends now.
func (s *Service) settle(ctx context.Context, a attempt) error {
	ctx, cancel := s.storeContext(ctx)
	defer cancel()
	out, err := s.cfg.Sessions.Settle(ctx, a.shown, a.granted)
	if err != nil {
		return err
	}
	s.unsettled.done(a)
	if out.Verdict == Theft {
		s.theft(ctx, a.token, out, a.from, "granted", a.granted)
	}
	return s.append(ctx, out.Revocation)
}

// settleFirst has what is open about a session judged before another of its
// tokens is presented, or the same one again: where it can not, presenting
// could make a thief of a client whose answer was lost.
func (s *Service) settleFirst(ctx context.Context, sid tokens.ID) error {
	for _, a := range s.unsettled.about(sid) {
		if err := s.settle(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
