package authsvc

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

var errDown = errors.New("down")

// still is a Log that delivers one snapshot and then nothing; Since answers
// with what it was told.
type still struct {
	since Batch
	err   error
}

func (still) Append(context.Context, ...revocation.Entry) error { return errDown }

func (still) Follow(ctx context.Context, deliver func(Batch)) error {
	deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)}})
	<-ctx.Done()
	return ctx.Err()
}

func (still) AsOf() time.Time { return time.Now() }

func (l still) Since(context.Context, revocation.Position) (Batch, error) { return l.since, l.err }

type down struct{}

func (down) Present(context.Context, Presentation) (Outcome, error) { return Outcome{}, errDown }
func (down) Settle(context.Context, Presentation, time.Time) (Outcome, error) {
	return Outcome{}, errDown
}
func (down) Now() time.Time                                               { return time.Now() }
func (down) Authenticate(context.Context, string, string) (Client, error) { return Client{}, errDown }
func (nobody) Lookup(context.Context, string) (User, error)               { return User{}, ErrNoUser }
func (nobody) Authenticate(context.Context, string, string) (User, error) {
	return User{}, ErrBadCredentials
}

type nobody struct{}

func offline(t *testing.T, log Log) *Service {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Issuer: "http://localhost", Audiences: []string{"orders"}, Ring: ring, Log: log, Sessions: down{},
		Users: nobody{}, Clients: down{}, AdminToken: "0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	s.hub.deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)}})
	return s
}

// A service that has not heard of revocations for D must not renew sessions
// without the store any more: nobody else would stop them.
func TestDegradedRefreshEndsWithKnowledge(t *testing.T) {
	s := offline(t, still{})
	s.hub.stall()
	now := time.Now()
	token := &tokens.Refresh{SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(time.Hour)}
	r := httptest.NewRequest("POST", "/v1/refresh", nil)
	for _, tc := range []struct {
		name string
		ago  time.Duration
		ok   bool
	}{
		{"just within it", maxKnowledge - time.Second, true},
		{"beyond it", maxKnowledge + time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.hub.asOf.Store(now.Add(-tc.ago).UnixMilli())
			g := &grant{refresh: token, claims: tokens.Claims{IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute)}}
			shown := Presentation{SessionID: tokens.NewID()}
			err := s.degrade(r, g, token, &showing{shown: shown, err: ErrUnanswered, at: now}, now)
			var p *problem
			switch {
			case tc.ok && (err != nil || g.refresh.LastAttempt == 0 || g.claims.ExpiresAt.Sub(now) > maxDegradedLife):
				t.Errorf("%v %+v", err, g)
			case !tc.ok && (!errors.As(err, &p) || p.status != 503):
				t.Errorf("got %v", err)
			}
			_ = s.degrade(r, g, token, &showing{shown: shown, err: ErrUnanswered, at: now}, now) // another of those together
			if open := s.unsettled.about(shown.SessionID); len(open) != 1 {
				t.Errorf("to be settled: %+v", open)
			}
		})
	}
}

// A refresh without the store tells when the first attempt began and when the
// last was over: in between the step was made, if at all. What the clock of a
// store does makes no token that nobody takes.
func TestAnAttemptIsToldOfFromItsBeginningToItsEnd(t *testing.T) {
	s, now := offline(t, still{}), time.Now()
	for _, tc := range []struct{ began, at, first, last, wantFirst, wantLast int64 }{
		{1000, 6000, 0, 0, 1000, 6000},
		{1000, 6000, 500, 700, 500, 6000},
		{6000, 1000, 0, 0, 1000, 1000}, // it was set back meanwhile,
		{100, 200, 500, 700, 500, 700}, // or between two attempts
	} {
		token := &tokens.Refresh{SessionID: tokens.NewID(), SessionEnd: now.Add(time.Hour), FirstAttempt: tc.first, LastAttempt: tc.last}
		g := &grant{claims: tokens.Claims{IssuedAt: now, ExpiresAt: now.Add(time.Minute)}}
		m := &showing{shown: Presentation{SessionID: token.SessionID}, err: ErrUnanswered, began: time.UnixMilli(tc.began), at: time.UnixMilli(tc.at)}
		if err := s.degrade(httptest.NewRequest("POST", "/v1/refresh", nil), g, token, m, now); err != nil {
			t.Fatal(err)
		}
		if g.refresh.FirstAttempt != tc.wantFirst || g.refresh.LastAttempt != tc.wantLast {
			t.Errorf("%+v: from %d to %d", tc, g.refresh.FirstAttempt, g.refresh.LastAttempt)
		}
	}
}

// A subscriber that falls behind the window gets what it missed from the Log,
// or is told to fetch a snapshot; it never skips.
func TestASubscriberBehindTheWindow(t *testing.T) {
	missed := Batch{Frame: revocation.Frame{Kind: revocation.Delta, PrevEpoch: 7, Prev: at(1).Cursor, Pos: at(9)}}
	for _, tc := range []struct {
		name  string
		log   still
		event string
	}{
		{"what it missed", still{since: missed}, "id: " + at(9).String()},
		{"a reset", still{err: ErrUnknownPosition}, "event: reset"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := offline(t, tc.log)
			st := &stream{outlet: s.hub.outlet, pos: at(1)}
			v := *s.hub.view.Load()
			for n := range uint64(windowFrames + 8) {
				v.push(frame{pos: at(n + 2), jws: "x", event: []byte("a frame\n\n")})
			}
			st.keysNo = v.keysNo
			s.hub.publish(&v)
			events, err := st.news(t.Context(), &v)
			if err != nil {
				t.Fatal(err)
			}
			got := bytes.Join(events, nil)
			if len(got) < len(tc.event) || string(got[:len(tc.event)]) != tc.event || st.next != v.end() {
				t.Errorf("%q, then frame %d of %d", got, st.next, v.end())
			}
		})
	}
}

func TestSubscribersHearOfEntriesThatAreInTheListAlready(t *testing.T) {
	h := offline(t, still{}).hub
	e := revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Hour))
	heard := 0
	cancel := h.Subscribe(func(entries []revocation.Entry) {
		if heard += len(entries); h.list.Len() != 1 {
			t.Error("told before the list had it")
		}
	})
	batch := Batch{Frame: revocation.Frame{Kind: revocation.Delta, PrevEpoch: 7, Prev: at(1).Cursor, Pos: at(2), Entries: []revocation.Entry{e}}}
	h.deliver(batch)
	cancel()
	h.deliver(batch)
	if heard != 1 {
		t.Errorf("heard %d entries", heard)
	}
}

// What can not be signed waits: a frame is never skipped.
func TestAFrameThatCanNotBeSignedWaits(t *testing.T) {
	s := offline(t, still{})
	h := s.hub
	good := h.ring.Load()
	h.ring.Store(new(keys.Ring)) // holds no key
	for n := range uint64(2) {
		h.deliver(Batch{Frame: revocation.Frame{Kind: revocation.Delta, PrevEpoch: 7, Prev: at(n + 1).Cursor, Pos: at(n + 2),
			Entries: []revocation.Entry{revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Hour))}}})
	}
	h.locked(h.beat)
	if v := h.view.Load(); v.end() != 0 || v.pos != at(1) {
		t.Fatalf("a frame went out unsigned: %+v", v)
	}
	h.ring.Store(good)
	h.locked(h.flush)
	v := h.view.Load()
	if v.end() != 1 || v.pos != at(3) {
		t.Errorf("end %d at %v", v.end(), v.pos)
	}
	payload, err := tokens.VerifyBytes(tokens.TypFeed, v.frames[0].jws, good, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f, err := revocation.ParseFrame(payload)
	if err != nil || f.Prev != at(1).Cursor || len(f.Entries) != 2 {
		t.Errorf("%+v %v", f, err)
	}
}

// A logout is carried through although the browser that sent it is gone, but
// no store is waited for without end.
func TestTheStoreIsAskedEvenWhenTheAskerHangsUp(t *testing.T) {
	s := offline(t, still{})
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	ctx, cancel := s.storeContext(gone)
	defer cancel()
	if deadline, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded || time.Until(deadline) > storeTimeout {
		t.Errorf("%v, deadline %v", ctx.Err(), deadline)
	}
}
