package issuer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Follower keeps one issuer's keys and revocations in memory. Its methods are
// safe for concurrent use and none of them blocks, except Close.
type Follower struct {
	cfg   Config
	place place
	http  *http.Client
	log   *slog.Logger
	list  *revocation.List

	state  atomic.Pointer[state]
	writes sync.Mutex    // one writer of state at a time; readers take no lock
	asked  chan struct{} // Refresh was called; room for one
	wanted chan struct{} // the feed names a session key that is not held; room for one
	news   chan struct{} // more is held than was reported; room for one
	id     tokens.ID     // by which the issuer tells its followers apart

	subscribers subscribers
	stop        context.CancelFunc
	done        sync.WaitGroup
	letGo       func()
}

// state is all that is known at one moment. It is never changed, only
// replaced.
type state struct {
	meta        *metadata // nil: never fetched
	set         *keys.Set // access token and feed keys; nil: never fetched
	setAt       time.Time // when the set was last confirmed, by a fetch or by the feed
	setMaxAge   time.Duration
	due         bool   // the set lacks a key that the feed is signed with
	generation  uint64 // below which no set is taken from the feed; 0 after a fetch
	setGen      uint64 // of the set; 0: its source did not say
	sessions    *keys.Set
	named       []string            // kids of the session keys, as the feed said last
	sessionsGen uint64              // of the session keys; 0: their source did not say
	reported    uint64              // what the issuer was told that we hold
	noSessions  bool                // the issuer refuses us the session keys
	position    revocation.Position // up to where the list is complete; zero: a snapshot is needed
	listed      bool                // a snapshot has ever been applied
	asOf        time.Time
	live        bool  // the feed is connected and has delivered
	kept        bool  // the feed that is connected has said what the key set is
	fault       error // why not live
}

// Follow starts following an issuer, until ctx ends or Close. It returns at
// once, whether the issuer is up or not, and with what Snapshot holds; the only
// error is ErrConfig.
func Follow(ctx context.Context, cfg Config) (*Follower, error) {
	place, err := cfg.place()
	if err != nil {
		return nil, err
	}
	if (cfg.Client.ID == "") != (cfg.Client.Secret == "") {
		return nil, fmt.Errorf("%w: Client needs both ID and Secret, or neither", ErrConfig)
	}
	if cfg.Snapshot != "" && cfg.Client.ID == "" {
		return nil, fmt.Errorf("%w: Snapshot needs a Client, whose secret seals it", ErrConfig)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Tap == nil {
		cfg.Tap = func(Event) {}
	}
	f := &Follower{
		cfg:    cfg,
		place:  place,
		log:    cfg.Log.With("issuer", cfg.Issuer),
		list:   revocation.NewList(),
		asked:  make(chan struct{}, 1),
		wanted: make(chan struct{}, 1),
		news:   make(chan struct{}, 1),
		id:     tokens.NewID(),
	}
	f.http, f.letGo = cfg.httpClient()
	f.state.Store(&state{})
	var last saved
	if cfg.Snapshot != "" {
		last = f.restore(time.Now())
	}
	ctx, f.stop = context.WithCancel(ctx)
	f.done.Go(func() { f.follow(ctx) })
	f.done.Go(func() { f.refreshOnDemand(ctx) })
	f.done.Go(func() { f.fetchSessionsOnDemand(ctx) })
	f.done.Go(func() { f.reportOnDemand(ctx) })
	if cfg.Snapshot != "" {
		f.done.Go(func() { f.saveOnChange(ctx, last) })
	}
	return f, nil
}

// Close ends the following and waits until it has ended. What is known stays
// readable.
func (f *Follower) Close() {
	f.stop()
	f.done.Wait()
	f.letGo()
}

// Key finds a key of the issuer (keys.Source): access token and feed keys in
// its key set, cookie keys among the session keys. It is keys.ErrUnavailable
// as long as the set in question has never been there.
func (f *Follower) Key(kid string, p keys.Purpose, now time.Time) (keys.Key, error) {
	set := f.state.Load().setFor(p)
	if set == nil {
		return keys.Key{}, keys.ErrUnavailable
	}
	return set.Key(kid, p, now)
}

// Holds reports whether Key would find one. It is for who remembers what he has
// verified and asks about the key again and again.
func (f *Follower) Holds(kid string, p keys.Purpose, _ time.Time) bool {
	set := f.state.Load().setFor(p)
	return set != nil && set.Has(kid, p)
}

// setFor is the set that has the keys of a purpose; nil: never fetched.
func (s *state) setFor(p keys.Purpose) *keys.Set {
	if p == keys.SessionCookie {
		return s.sessions
	}
	return s.set
}

// Revocations returns the list, which grows in place.
func (f *Follower) Revocations() *revocation.List { return f.list }

// AsOf returns the moment up to which the list is complete; zero before the
// first snapshot. It never goes back.
func (f *Follower) AsOf() time.Time { return f.state.Load().asOf }

// Ready reports whether the key set and, with a Client, the session keys (unless
// the issuer refuses them to us) and a first snapshot have been there. Once
// true it stays true.
func (f *Follower) Ready() bool {
	s := f.state.Load()
	return s.set != nil && (!f.hasClient() || s.listed && (s.sessions != nil || s.noSessions))
}

func (f *Follower) hasClient() bool { return f.cfg.Client.ID != "" }

// Status is a follower's state for people.
type Status struct {
	Live       bool                // the feed is connected and delivers
	Position   revocation.Position // in the issuer's log
	AsOf       time.Time           // see Follower.AsOf
	Verifier   tokens.ID           // as which the issuer knows this follower
	Generation uint64              // of the key ring: all keys of it are held; 0: unknown
	KeysAt     time.Time           // when the key set was last confirmed
	Fault      string              // why not live; empty: no fault
}

// Status returns the present state.
func (f *Follower) Status() Status {
	s := f.state.Load()
	st := Status{Live: s.live, Position: s.position, AsOf: s.asOf, Verifier: f.id, Generation: s.holding(), KeysAt: s.setAt}
	if s.kept { // the feed would have said otherwise
		st.KeysAt = time.Now()
	}
	if s.fault != nil {
		st.Fault = s.fault.Error()
	}
	return st
}

// update replaces the state by what change makes of a copy.
func (f *Follower) update(change func(*state)) {
	f.writes.Lock()
	defer f.writes.Unlock()
	s := *f.state.Load()
	change(&s)
	f.state.Store(&s)
}
