package authsvc_test

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// outageWorld has so short a grace that everything is late at once.
func outageWorld(t *testing.T, change ...func(*authsvc.Config)) *world {
	short := func(c *authsvc.Config) { c.RefreshGrace = 20 * time.Millisecond }
	return buildWorld(&world{t: t, adopt: true}, append(change, short)...)
}

const pastGrace = 40 * time.Millisecond

// The store makes the step and its answer is lost. The client gets an access
// token, and comes back with the refresh token that it had when the grace is long
// over.
func TestALostAnswerOfTheStoreLogsNobodyOut(t *testing.T) {
	w := outageWorld(t)
	first := w.aged(tokens.NewID(), 0, time.Minute)
	w.store.mute.Store(true)
	for range 3 {
		out := w.refresh(first).want(t, 200, "")
		w.sameToken(first, out.str(t, "refresh_token"))
		w.get("/v1/session", withBearer(out.str(t, "access_token"))).want(t, 200, "")
		time.Sleep(pastGrace) // late is what this is about
	}
	w.store.mute.Store(false)
	second := w.refresh(first).want(t, 200, "").str(t, "refresh_token")
	if got := w.open(second).Generation; got != 1 {
		t.Errorf("generation %d", got)
	}
	w.refresh(second).want(t, 200, "") // nobody was taken for a thief
}

// The service settles by itself, so that another replica knows too.
func TestLostAnswersAreSettledOnceTheStoreIsBack(t *testing.T) {
	w := outageWorld(t)
	first := w.aged(tokens.NewID(), 0, time.Minute)
	w.store.mute.Store(true)
	w.refresh(first).want(t, 200, "")
	w.store.mute.Store(false)
	w.eventually("it is settled", func() bool { return w.store.settled.Load() == 1 })
	if out := w.elsewhere(first); out.Verdict != authsvc.Replay || out.Generation != 1 {
		t.Errorf("another replica answers %+v", out)
	}
}

// The answer without the store tells of the attempt. So the client is known at
// any replica, though the one that it had asked can not reach the store, or is
// gone; and it is told apart from a thief who has the token as it was before.
func TestWhoCameInAnOutageIsKnownToEveryReplica(t *testing.T) {
	const grace, pastGrace = 500 * time.Millisecond, 600 * time.Millisecond // what a busy machine may take for a step is less
	w := buildWorld(&world{t: t, adopt: true}, func(c *authsvc.Config) { c.RefreshGrace = grace })
	first := w.aged(tokens.NewID(), 0, time.Minute)
	w.store.mute.Store(true)
	again := w.refresh(first).want(t, 200, "").str(t, "refresh_token")
	time.Sleep(pastGrace)                                             // late is what this is about
	again = w.refresh(again).want(t, 200, "").str(t, "refresh_token") // and once more
	time.Sleep(pastGrace)
	for range 2 {
		if out := w.within(grace, again); out.Verdict != authsvc.Replay || out.Generation != 1 {
			t.Errorf("another replica answers %+v", out)
		}
	}
	if out := w.elsewhere(first); out.Verdict != authsvc.Theft {
		t.Errorf("a thief is answered %+v", out)
	}
}

// elsewhere presents a refresh token at another replica, which shares the store
// and nothing else.
func (w *world) elsewhere(token string) authsvc.Outcome {
	w.t.Helper()
	return w.within(time.Millisecond, token)
}

// within is elsewhere, with another grace.
func (w *world) within(grace time.Duration, token string) authsvc.Outcome {
	w.t.Helper()
	r := w.open(token)
	out, err := w.store.Sessions.Present(w.t.Context(), authsvc.Presentation{
		SessionID: r.SessionID, Generation: r.Generation, IssuedAt: r.IssuedAt, ParentIssuedAt: r.ParentIssuedAt,
		SessionEnd: r.SessionEnd, FirstAttempt: r.FirstAttempt, LastAttempt: r.LastAttempt, Grace: grace,
	})
	must(w.t, err)
	return out
}

// A thief uses a token that was replaced long ago, while the store is away. He
// gets what a degraded refresh gives, and the alarm rings when the store is
// back.
func TestATheftWithoutTheStoreIsFoundAfterwards(t *testing.T) {
	w := outageWorld(t)
	stolen := w.aged(tokens.NewID(), 0, time.Minute)
	if out := w.elsewhere(stolen); out.Verdict != authsvc.Advance { // so this replica knows nothing of it
		t.Fatalf("%+v", out)
	}
	time.Sleep(pastGrace) // late is what this is about
	w.store.fault.Store(true)
	loot := w.refresh(stolen).want(t, 200, "").str(t, "access_token")
	w.get("/v1/session", withBearer(loot)).want(t, 200, "")
	w.store.fault.Store(false)
	w.eventually("the loot is refused", func() bool { return w.get("/v1/session", withBearer(loot)).status == 401 })
	if a := w.refresh(stolen).want(t, 401, "session-ended"); a.str(t, "reason") != "revoked" {
		t.Errorf("%s", a.body)
	}
}

func TestAReplicaThatHasSeenTheSuccessorTakesNoOldTokenWithoutTheStore(t *testing.T) {
	w := outageWorld(t)
	old := w.aged(tokens.NewID(), 0, time.Minute)
	current := w.refresh(old).want(t, 200, "").str(t, "refresh_token")
	time.Sleep(pastGrace) // late is what this is about
	w.store.fault.Store(true)
	w.refresh(old).want(t, 503, "unavailable")
	w.refresh(current).want(t, 200, "")
	w.store.fault.Store(false)
	w.refresh(current).want(t, 200, "")
}

func TestAStrictServiceRefreshesNothingWithoutTheStore(t *testing.T) {
	w := outageWorld(t, func(c *authsvc.Config) { c.StrictRefresh = true })
	first := w.aged(tokens.NewID(), 0, time.Minute)
	w.store.fault.Store(true)
	a := w.refresh(first).want(t, 503, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.store.fault.Store(false)
	w.refresh(first).want(t, 200, "")

	second := w.aged(tokens.NewID(), 0, time.Minute)
	w.store.mute.Store(true)
	w.refresh(second).want(t, 503, "unavailable")
	time.Sleep(pastGrace) // late is what this is about
	w.store.mute.Store(false)
	w.refresh(second).want(t, 200, "")
}
