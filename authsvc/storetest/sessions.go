package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// grace is short, so that a store on a real clock can be waited for.
const grace = 500 * time.Millisecond

// login is the refresh token of a new session.
func (s *Subject) login() authsvc.Presentation {
	return authsvc.Presentation{
		SessionID:  tokens.NewID(),
		IssuedAt:   s.Now().UnixMilli(),
		SessionEnd: s.Now().Add(12 * time.Hour),
		Grace:      grace,
	}
}

// successor is the refresh token that an outcome answers with.
func successor(p authsvc.Presentation, o authsvc.Outcome) authsvc.Presentation {
	p.Generation, p.IssuedAt, p.ParentIssuedAt = o.Generation, o.IssuedAt, o.ParentIssuedAt
	p.Retry = [8]byte{}
	return p
}

func (s *Subject) present(t *testing.T, p authsvc.Presentation, want authsvc.Verdict) authsvc.Outcome {
	t.Helper()
	out, err := s.Sessions.Present(context.Background(), p)
	if err != nil {
		t.Fatalf("presenting: %v", err)
	}
	if out.Verdict != want {
		t.Fatalf("%v, want %v", out.Verdict, want)
	}
	return out
}

// refreshed is a session after its first refresh: both tokens.
func (s *Subject) refreshed(t *testing.T) (parent, current authsvc.Presentation) {
	t.Helper()
	parent = s.login()
	s.Pass(2 * grace)
	return parent, successor(parent, s.present(t, parent, authsvc.Advance))
}

func advancesOnce(t *testing.T, s *Subject) {
	first := s.login()
	if got := successor(first, s.present(t, first, authsvc.Same)); got != first {
		t.Errorf("too young, but became %+v", got)
	}
	s.Pass(2 * grace)
	first.Retry = authsvc.RetryHash(first.SessionID, "attempt")
	second := successor(first, s.present(t, first, authsvc.Advance))
	if second.Generation != 1 || second.ParentIssuedAt != first.IssuedAt || second.IssuedAt <= first.IssuedAt {
		t.Errorf("the successor of %+v is %+v", first, second)
	}
	for _, p := range []authsvc.Presentation{first, first} {
		if got := successor(p, s.present(t, p, authsvc.Replay)); got != second {
			t.Errorf("another successor %+v, want %+v", got, second)
		}
	}
	s.present(t, second, authsvc.Same)
	s.Pass(2 * grace)
	if got := successor(first, s.present(t, first, authsvc.Replay)); got != second {
		t.Errorf("late, with the retry id: %+v, want %+v", got, second)
	}
	s.present(t, second, authsvc.Advance)
}

func lineageGoesOn(t *testing.T, s *Subject) {
	first, second := s.refreshed(t)
	s.Restart(t)
	s.present(t, second, authsvc.Same)
	s.Pass(2 * grace)
	s.present(t, second, authsvc.Advance)
	s.present(t, first, authsvc.Theft)
}

func theftKills(t *testing.T, s *Subject) {
	first, second := s.refreshed(t)
	s.Pass(2 * grace)
	out := s.present(t, first, authsvc.Theft)
	want := revocation.Target{Type: revocation.Session, ID: first.SessionID}
	if out.Revocation.Target() != want || out.Revocation.Expired(first.SessionEnd.Add(-time.Second)) {
		t.Errorf("revocation %+v of %v, until %v", out.Revocation, first.SessionID, first.SessionEnd)
	}
	again := s.present(t, second, authsvc.Revoked)
	if again.Revocation.Target() != want {
		t.Errorf("what to append: %+v", again.Revocation)
	}
	s.Restart(t)
	s.present(t, second, authsvc.Revoked)
	s.present(t, first, authsvc.Revoked)
}

func theftIsAppended(t *testing.T, s *Subject) {
	first, second := s.refreshed(t)
	s.Pass(2 * grace)
	out := s.present(t, first, authsvc.Theft)
	again := s.present(t, second, authsvc.Revoked)
	s.append(t, out.Revocation, again.Revocation)
	if _, ok := find(snapshot(t, s.Log).Entries, out.Revocation.Target()); !ok {
		t.Error("it is not in the log")
	}
}

func revokedRefuses(t *testing.T, s *Subject) {
	first, second := s.refreshed(t)
	fresh := s.login()
	for _, sid := range []tokens.ID{first.SessionID, fresh.SessionID} {
		s.append(t, revocation.SessionEntry(sid, s.Now(), s.Now().Add(time.Hour)))
	}
	s.Pass(2 * grace)
	for _, p := range []authsvc.Presentation{first, second, fresh} {
		out := s.present(t, p, authsvc.Revoked)
		if out.Revocation.Type != revocation.Session || out.Revocation.ID != p.SessionID {
			t.Errorf("what to append: %+v", out.Revocation)
		}
	}
}

func sessionsApart(t *testing.T, s *Subject) {
	first, _ := s.refreshed(t)
	other := s.login()
	s.Pass(2 * grace)
	s.present(t, first, authsvc.Theft)
	s.present(t, other, authsvc.Advance)
}

func tokenIsNoSession(t *testing.T, s *Subject) {
	p := s.login()
	s.append(t, revocation.TokenEntry(p.SessionID, s.Now(), s.Now().Add(time.Hour))) // a jti of the same bytes
	s.Pass(2 * grace)
	s.present(t, p, authsvc.Advance)
}

func unfitPresentation(t *testing.T, s *Subject) {
	p := s.login()
	p.SessionID = tokens.ID{}
	if _, err := s.Sessions.Present(context.Background(), p); !errors.Is(err, authsvc.ErrBadPresentation) {
		t.Errorf("got %v", err)
	}
}

func thousandTabs(t *testing.T, s *Subject) {
	const tabs = 1000
	p := s.login()
	p.Grace = 0 // the default: all of them are within it
	s.Pass(authsvc.DefaultGrace + time.Second)
	outcomes := make([]authsvc.Outcome, tabs)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range tabs {
		wg.Go(func() {
			<-start
			var err error
			if outcomes[i], err = s.Sessions.Present(context.Background(), p); err != nil {
				t.Errorf("presenting: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	advances := 0
	for _, o := range outcomes {
		if o.Verdict == authsvc.Advance {
			advances++
		} else if o.Verdict != authsvc.Replay {
			t.Fatalf("a tab got %v", o.Verdict)
		}
		if successor(p, o) != successor(p, outcomes[0]) {
			t.Fatalf("two successors: %+v and %+v", o, outcomes[0])
		}
	}
	if advances != 1 {
		t.Errorf("advanced %d times", advances)
	}
}

func doneContextOfSessions(t *testing.T, s *Subject) {
	p := s.login()
	s.Pass(2 * grace)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Sessions.Present(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("presenting: %v", err)
	}
	s.present(t, p, authsvc.Advance) // now, and not by the call that had ended
}

func closedSessions(t *testing.T, s *Subject) {
	p := s.login()
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := s.Sessions.Present(context.Background(), p); !errors.Is(err, authsvc.ErrStoreClosed) {
		t.Errorf("presenting: %v", err)
	}
}

func (s *Subject) settle(t *testing.T, p authsvc.Presentation, at time.Time, want authsvc.Verdict) authsvc.Outcome {
	t.Helper()
	out, err := s.Sessions.Settle(context.Background(), p, at)
	if err != nil {
		t.Fatalf("settling: %v", err)
	}
	if out.Verdict != want {
		t.Fatalf("settled as %v, want %v", out.Verdict, want)
	}
	return out
}

// lostAnswerIsSettled: the client never heard of its successor, and comes back
// with the old token and without the retry id of the attempt.
func lostAnswerIsSettled(t *testing.T, s *Subject) {
	first := s.login()
	s.settle(t, first, s.Now(), authsvc.Same)
	s.Pass(2 * grace)
	attempt := first
	attempt.Retry = authsvc.RetryHash(first.SessionID, "of the attempt")
	second := successor(first, s.present(t, attempt, authsvc.Advance))
	s.settle(t, attempt, s.Now(), authsvc.Replay)
	s.Pass(2 * grace)
	s.Restart(t)
	s.settle(t, attempt, s.Now(), authsvc.Same)
	if got := successor(first, s.present(t, first, authsvc.Replay)); got != second {
		t.Errorf("%+v, want %+v", got, second)
	}
	s.present(t, second, authsvc.Advance)
	s.Pass(2 * grace)
	s.present(t, first, authsvc.Theft)
}

// attemptInVain: the step was made and its answer lost. What the client holds
// tells when it asked, and so it gets the successor, however late; whoever asked
// at another time, or not at all, does not.
func attemptInVain(t *testing.T, s *Subject) {
	first := s.login()
	s.Pass(2 * grace)
	second := successor(first, s.present(t, first, authsvc.Advance))
	asked := first
	asked.FirstAttempt = s.Sessions.Now().UnixMilli()
	if asked.FirstAttempt < second.IssuedAt || s.Now().UnixMilli() < asked.FirstAttempt {
		t.Errorf("the store's clock shows %d, having shown %d, and is at %d", asked.FirstAttempt, second.IssuedAt, s.Now().UnixMilli())
	}
	s.Pass(2 * grace)
	asked.LastAttempt = s.Now().UnixMilli()
	s.Pass(2 * grace)
	if got := successor(first, s.present(t, asked, authsvc.Replay)); got != second {
		t.Errorf("%+v, want %+v", got, second)
	}
	s.settle(t, asked, s.Now(), authsvc.Same)
	asked.FirstAttempt = asked.LastAttempt // too late for that successor
	s.present(t, asked, authsvc.Theft)
}

func theftIsSettled(t *testing.T, s *Subject) {
	first, second := s.refreshed(t)
	s.settle(t, first, s.Now(), authsvc.Same) // within the grace
	s.settle(t, second, s.Now(), authsvc.Same)
	s.Pass(2 * grace)
	out := s.settle(t, first, s.Now(), authsvc.Theft)
	if out.Revocation.Type != revocation.Session || out.Revocation.ID != first.SessionID {
		t.Errorf("what to append: %+v", out.Revocation)
	}
	s.settle(t, first, s.Now(), authsvc.Revoked)
	s.present(t, second, authsvc.Revoked)
}
