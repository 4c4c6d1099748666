package authsvc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
)

// gate is a store whose presentations wait until they may end, and end with
// their number for a generation.
type gate struct {
	mu    sync.Mutex
	shown []Presentation
	may   chan struct{}
}

func (c *gate) step(m *showing) {
	c.mu.Lock()
	c.shown = append(c.shown, m.shown)
	n := len(c.shown)
	c.mu.Unlock()
	<-c.may
	m.out, m.err = Outcome{Verdict: Advance, Generation: uint32(n)}, nil
}

// However many come with one token, two presentations are made: that of the
// first, and one of all who came while it was under way, none of whom gets what
// was decided before.
func TestWhoPresentsOneTokenAtTheSameTimeDoesItTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all together
		c := &gate{may: make(chan struct{})}
		p := Presentation{SessionID: tokens.NewID(), Generation: 3}
		got := make(chan uint32, 100)
		come := func() {
			s, first := all.present(p, c.step)
			if first {
				got <- 100 + s.out.Generation
				return
			}
			got <- s.out.Generation
		}
		go come()
		synctest.Wait() // it is under way
		for range 99 {
			go come()
		}
		synctest.Wait()
		if len(c.shown) != 1 {
			t.Fatalf("%d presentations are under way", len(c.shown))
		}
		close(c.may)
		synctest.Wait()
		counts := map[uint32]int{}
		for range 100 {
			counts[<-got]++
		}
		if len(c.shown) != 2 || counts[101] != 1 || counts[102] != 1 || counts[2] != 98 {
			t.Errorf("%d presentations, answered %v", len(c.shown), counts)
		}
		if none := [8]byte{}; c.shown[0].Retry == none || c.shown[1].Retry == none || c.shown[0].Retry == c.shown[1].Retry {
			t.Errorf("retry ids %x and %x", c.shown[0].Retry, c.shown[1].Retry)
		}
		if len(all.underway)+len(all.next) != 0 {
			t.Errorf("%d and %d are left over", len(all.underway), len(all.next))
		}
	})
}

// Only who holds the retry id may have what it leads to.
func TestAnotherTokenOrRetryIDIsPresentedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all together
		c := &gate{may: make(chan struct{})}
		sid := tokens.NewID()
		shown := []Presentation{
			{SessionID: sid}, {SessionID: tokens.NewID()}, {SessionID: sid, Retry: [8]byte{1}}, {SessionID: sid, Retry: [8]byte{2}},
			{SessionID: sid, Generation: 1}, {SessionID: sid, IssuedAt: 1}, {SessionID: sid, ParentIssuedAt: 1},
			{SessionID: sid, FirstAttempt: 1}, {SessionID: sid, LastAttempt: 1},
		}
		for _, p := range shown {
			go all.present(p, c.step)
		}
		synctest.Wait()
		if len(c.shown) != len(shown) {
			t.Errorf("%d presentations of %d", len(c.shown), len(shown))
		}
		for _, p := range c.shown {
			if p.Retry == [8]byte{} {
				t.Error("one without a retry id")
			}
		}
		close(c.may)
	})
}

func TestAPresentationThatPanicsLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all together
		p, in, fall := Presentation{SessionID: tokens.NewID()}, make(chan struct{}), make(chan struct{})
		ask := func(step func(*showing)) (err error) {
			defer func() {
				if recover() != nil {
					err = errDown
				}
			}()
			s, _ := all.present(p, step)
			return s.err
		}
		errs := make(chan error, 3)
		panics := func(*showing) { in <- struct{}{}; <-fall; panic("a store that panics") }
		for range 3 { // two wait for the second of them, which panics too
			go func() { errs <- ask(panics) }()
		}
		<-in
		synctest.Wait()
		go func() { <-in }()
		close(fall)
		fell, unanswered := 0, 0
		for range 3 {
			switch err := <-errs; {
			case errors.Is(err, errDown):
				fell++
			case errors.Is(err, ErrUnanswered):
				unanswered++
			}
		}
		if fell != 2 || unanswered != 1 {
			t.Errorf("%d fell, %d were left without an answer", fell, unanswered)
		}
	})
}

// falls is a store that panics.
type falls struct{ thieves }

func (falls) Present(context.Context, Presentation) (Outcome, error) { panic("a store that panics") }

// Those who waited for it are answered without the store, as of then.
func TestAPresentationThatPanicsHasATime(t *testing.T) {
	s, m := offline(t, still{}), &showing{shown: Presentation{SessionID: tokens.NewID()}}
	s.cfg.Sessions = falls{}
	func() {
		defer func() { _ = recover() }()
		s.presentNow(context.Background(), m)
	}()
	if m.at.IsZero() {
		t.Error("it has none")
	}
}

// thieves is a store for which every token is an old one.
type thieves struct{ *gate }

func (s thieves) Present(_ context.Context, p Presentation) (Outcome, error) {
	s.step(&showing{shown: p})
	return Outcome{Verdict: Theft, Row: 6}, nil
}

func (thieves) Now() time.Time { return time.Now() }

func (thieves) Settle(context.Context, Presentation, time.Time) (Outcome, error) {
	return Outcome{}, errDown
}

// A theft is one alarm, however many present the old token at the same time.
func TestATheftByManyTogetherIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logged := offline(t, still{}), new(bytes.Buffer)
		c := &gate{may: make(chan struct{})}
		s.cfg.Sessions, s.log = thieves{c}, slog.New(slog.NewTextHandler(logged, nil)) // which writes one line at a time
		token := &tokens.Refresh{SessionID: tokens.NewID(), SessionEnd: time.Now().Add(time.Hour)}
		reasons := make(chan openapi.ProblemReason, 3)
		show := func() {
			var p *problem
			if errors.As(s.present(httptest.NewRequest("POST", "/v1/refresh", nil), &grant{}, token, "an id", time.Now()), &p) {
				reasons <- p.reason
			}
		}
		go show()
		synctest.Wait()
		go show() // for the next presentation, together
		go show()
		synctest.Wait()
		close(c.may)
		synctest.Wait()
		close(reasons)
		counts := map[openapi.ProblemReason]int{}
		for r := range reasons {
			counts[r]++
		}
		// This store forgets: the second presentation finds the theft anew.
		if n := bytes.Count(logged.Bytes(), []byte("msg=refresh.theft")); n != 2 || counts["reused"] != 2 || counts["revoked"] != 1 {
			t.Errorf("%d alarms, answered %v", n, counts)
		}
	})
}
