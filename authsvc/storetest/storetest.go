// Package storetest is the conformance suite of authsvc.Log, authsvc.Sessions
// and authsvc.Data: what every store must do, whatever it is made of. A store
// runs it in its own tests:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) *storetest.Subject { … })
//	}
//
// A store that is only one of the three runs RunLog, RunSessions or RunData.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Subject is a store that was just made, empty, and what the suite must be
// able to do to it. The suite closes it.
type Subject struct {
	Log      authsvc.Log      // for Run and RunLog
	Sessions authsvc.Sessions // for Run and RunSessions
	Data     authsvc.Data     // for Run and RunData
	Close    func() error     // closes all
	// Now reads the store's clock, and Pass lets time pass on it: a set clock
	// is moved, a real one is waited for.
	Now  func() time.Time
	Pass func(time.Duration)
	// Restart closes the store and opens it again on what it has kept: Log,
	// Sessions, Data and Close are then those of the new one.
	Restart func(t *testing.T)
}

// patience is how long the suite waits for what must happen at once.
const patience = 10 * time.Second

// trial is one test of the suite.
type trial struct {
	name string
	test func(*testing.T, *Subject)
}

// Run tests the stores that open makes, one for each test, as a Log, as
// Sessions, as both in one, and as Data.
func Run(t *testing.T, open func(t *testing.T) *Subject) {
	RunLog(t, open)
	RunSessions(t, open)
	RunData(t, open)
	run(t, open, []trial{
		{"the entry of a theft can be appended", theftIsAppended},
		{"a revoked session refuses its refresh tokens", revokedRefuses},
		{"a revoked token is not a revoked session", tokenIsNoSession},
	})
}

// RunLog tests the Log of the stores that open makes.
func RunLog(t *testing.T, open func(t *testing.T) *Subject) {
	run(t, open, []trial{
		{"an append is delivered before it returns", deliveredBeforeReturn},
		{"a snapshot comes first", snapshotFirst},
		{"deltas follow each other without a gap", noGaps},
		{"a merge keeps the larger of each time", mergeByMaximum},
		{"what adds nothing is acknowledged", coveredIsAcknowledged},
		{"expired entries are acknowledged and not kept", expiredIsAcknowledged},
		{"made is set once", madeIsSet},
		{"unfit entries are refused, all of their append", unfitIsRefused},
		{"since tells what was missed", sinceTells},
		{"since refuses what it does not know", sinceRefuses},
		{"an epoch goes on after a restart", restartGoesOn},
		{"follow ends with its context", followEnds},
		{"follow ends with the store", closeEnds},
		{"a done context is obeyed by the log", doneContext},
	})
}

// RunSessions tests the Sessions of the stores that open makes.
func RunSessions(t *testing.T, open func(t *testing.T) *Subject) {
	run(t, open, []trial{
		{"a refresh token advances once", advancesOnce},
		{"a lineage goes on after a restart", lineageGoesOn},
		{"theft kills the session", theftKills},
		{"sessions do not disturb each other", sessionsApart},
		{"an unfit presentation is refused", unfitPresentation},
		{"a thousand tabs get one successor", thousandTabs},
		{"a lost answer is settled", lostAnswerIsSettled},
		{"an attempt in vain proves its successor", attemptInVain},
		{"a theft without the store is found afterwards", theftIsSettled},
		{"a done context is obeyed by the sessions", doneContextOfSessions},
		{"nothing is presented to a closed store", closedSessions},
	})
}

func run(t *testing.T, open func(t *testing.T) *Subject, trials []trial) {
	for _, c := range trials {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { _ = s.Close() })
			c.test(t, s)
		})
	}
}

// followed collects what a Follow delivers.
type followed struct {
	batches chan authsvc.Batch
	result  chan error
	cancel  context.CancelFunc
}

func follow(t *testing.T, s authsvc.Log) *followed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &followed{make(chan authsvc.Batch, 10_000), make(chan error, 1), cancel}
	go func() { f.result <- s.Follow(ctx, func(b authsvc.Batch) { f.batches <- b }) }()
	t.Cleanup(cancel)
	return f
}

// next returns the next batch, which must come at once.
func (f *followed) next(t *testing.T) revocation.Frame {
	t.Helper()
	select {
	case b := <-f.batches:
		return b.Frame
	case <-time.After(patience):
		t.Fatal("no batch came")
		return revocation.Frame{}
	}
}

// ended returns the error that Follow returned with.
func (f *followed) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.result:
		return err
	case <-time.After(patience):
		t.Fatal("Follow does not end")
		return nil
	}
}

// snapshot is what a new follower gets first.
func snapshot(t *testing.T, s authsvc.Log) revocation.Frame {
	t.Helper()
	f := follow(t, s)
	defer f.cancel()
	return f.next(t)
}

func (s *Subject) append(t *testing.T, es ...revocation.Entry) {
	t.Helper()
	if err := s.Log.Append(context.Background(), es...); err != nil {
		t.Fatalf("appending: %v", err)
	}
}

// entry revokes a new session for an hour.
func (s *Subject) entry() revocation.Entry {
	return revocation.SessionEntry(tokens.NewID(), s.Now(), s.Now().Add(time.Hour))
}

// find returns the entry on a target.
func find(es []revocation.Entry, want revocation.Target) (revocation.Entry, bool) {
	for _, e := range es {
		if e.Target() == want {
			return e, true
		}
	}
	return revocation.Entry{}, false
}
