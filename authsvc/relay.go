package authsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// RelayConfig says whose feed a Relay serves on. Issuer and Client are
// required.
type RelayConfig struct {
	// Issuer is the issuer's URL, as it stands in its tokens.
	Issuer string
	// Upstream is the base URL to follow: another relay's. Zero: the issuer
	// itself.
	Upstream string
	// Client is the relay's own account, with scope feed.
	Client issuer.Client
	// MaxSubscribers bounds the open streams and long polls. Zero: 10,000.
	MaxSubscribers int
	// HTTP reaches the upstream. Nil: clients of the relay's own.
	HTTP *http.Client

	Logger *slog.Logger // zero: nothing is logged
}

// Relay serves an issuer's feed, key set and metadata on to verifiers, so that
// ten thousand of them are a tree and not a star. It signs nothing: it sends
// each frame on as the issuer signed it. It can delay, and verifiers see from
// the frames by how much; it can not make, change or leave out one unnoticed.
//
// It shows a newcomer the newest snapshot that it was given and every frame
// since, and fetches another snapshot when those have become many. While its
// upstream is away it goes on serving what it has, whose time then stands
// still, to those it knows. It makes no accounts: a verifier's credentials are
// shown to the upstream, and the answer is remembered for a while, in memory.
type Relay struct {
	front
	*outlet
	cfg       RelayConfig
	upstream  *upstream
	follower  atomic.Pointer[issuer.Follower] // nil before Run
	verifiers *verifiers
	guests    *guests
	vouchers  *vouchers
	metadata  *mirror
	jwks      *mirror
	depth     atomic.Int32  // of the chain: 1 behind the issuer; 0: not known yet
	wanted    chan struct{} // another snapshot is wanted; room for one
	ran       atomic.Bool

	keysJWS string // the newest key set; these belong to outlet.mu
	keySet  *keys.Set
	beatAt  time.Time // when the newest heartbeat came, or was repeated
	begun   parts     // of a snapshot that is still coming

	public, admin http.Handler
}

// maxRelays is how long a chain may be: each link adds its delay and its
// chances to fail.
const maxRelays = 3

// NewRelay makes a Relay; the error is ErrConfig. It starts nothing.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.Issuer == "" || cfg.Client.ID == "" || cfg.Client.Secret == "" {
		return nil, fmt.Errorf("%w: a relay needs Issuer and Client", ErrConfig)
	}
	if cfg.MaxSubscribers == 0 {
		cfg.MaxSubscribers = defaultSubscribers
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Relay{front: front{log: cfg.Logger}, cfg: cfg, upstream: newUpstream(cfg), guests: newGuests(), wanted: make(chan struct{}, 1)}
	r.outlet = newOutlet(r, cfg.MaxSubscribers, cfg.Logger, time.Now)
	r.verifiers = newVerifiers(cfg.MaxSubscribers, r.now())
	r.vouchers = newVouchers(r.upstream, r.now)
	r.metadata = &mirror{upstream: r.upstream, path: metadataPath, check: r.checkMetadata, now: r.now}
	r.jwks = &mirror{upstream: r.upstream, path: jwksPath, check: checkKeySet, now: r.now}
	r.public, r.admin = r.publicHandler(), r.adminHandler()
	return r, nil
}

// Run follows the upstream until ctx ends, and returns when everything that it
// started has stopped. Streams get "bye" first. The error is issuer.ErrConfig:
// the upstream can never be followed. Run may be called once.
func (r *Relay) Run(ctx context.Context) error {
	if !r.ran.CompareAndSwap(false, true) {
		return errors.New("running a relay twice")
	}
	upstream := r.cfg.Upstream
	if upstream == r.cfg.Issuer {
		upstream = ""
	}
	f, err := issuer.Follow(ctx, issuer.Config{
		Issuer: r.cfg.Issuer, Feed: upstream, Client: r.cfg.Client, HTTP: r.cfg.HTTP, Log: r.log, Tap: r.heard,
	})
	if err != nil {
		return err
	}
	r.follower.Store(f)
	var wg sync.WaitGroup
	wg.Go(func() { r.beat(ctx) })
	wg.Go(func() { r.fetchSnapshots(ctx) })
	wg.Go(func() { r.announceGuests(ctx) })
	<-ctx.Done()
	r.desk.close()
	wg.Wait()
	f.Close()
	r.upstream.close()
	return nil
}

// Public is the handler of the public listener, see Service.Public.
func (r *Relay) Public() http.Handler { return r.public }

// Admin is the handler of the admin listener: whether it lives, and is ready.
func (r *Relay) Admin() http.Handler { return r.admin }

// AsOf returns the moment up to which what is served on is complete; zero
// before anything is.
func (r *Relay) AsOf() time.Time {
	if f := r.follower.Load(); f != nil {
		return f.AsOf()
	}
	return time.Time{}
}

// ready reports what a newcomer could not be given.
func (r *Relay) ready() error {
	switch v := r.view.Load(); {
	case r.depth.Load() > maxRelays:
		return unavailable(errChain)
	case v == nil || v.snap == nil || v.keys == nil:
		return unavailable(errNotReady)
	}
	return nil
}

// snapshot implements source.
func (r *Relay) snapshot() (opening, error) {
	if err := r.ready(); err != nil {
		return opening{}, err
	}
	v := r.view.Load()
	if v.snap == nil { // gone in this moment
		return opening{}, unavailable(errNotReady)
	}
	return opening{snap: v.snap, view: v, next: v.end() - uint64(v.pinned)}, nil
}

// missed implements source. There is nothing here beyond what is kept; the
// snapshot is near, and costs the issuer nothing.
func (r *Relay) missed(context.Context, revocation.Position) (*frame, error) {
	return nil, ErrUnknownPosition
}
