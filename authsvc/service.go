package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// Service is the auth service: it signs, it remembers what not to trust, and
// it tells every verifier. It is made by New and safe for concurrent use.
type Service struct {
	front
	cfg       Config
	hub       *hub
	seals     *seals
	verifiers *verifiers
	origins   *http.CrossOriginProtection
	now       func() time.Time
	ran       atomic.Bool
	newest    atomic.Int64 // latest auth_time given out, Unix seconds
	fault     atomic.Pointer[ringFault]
	refused   *refusals
	together  together
	unsettled unsettled
	progress  progress
	receivers receivers
	headroom  headroom
	changes   *turnstile
	public    http.Handler
	admin     http.Handler
}

// New makes a Service from a complete Config; the error is ErrConfig. It
// starts nothing: until Run is called, whatever needs the revocations answers
// 503. It reserves the first seals in the ring, if there is a ChangeRing, so
// that no login waits for that nor fails when the ring is damaged later.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	refused := &refusals{Log: cfg.Log, now: time.Now}
	cfg.Log = refused
	s := &Service{front: front{log: cfg.Logger, https: isHTTPS(cfg.Issuer)}, cfg: cfg, now: time.Now, hub: newHub(cfg, time.Now), refused: refused, changes: &turnstile{}}
	s.seals = newSeals(cfg, s.hub.ring.Load, s.now)
	s.verifiers = newVerifiers(cfg.MaxSubscribers, s.now())
	if s.origins, err = ownOrigins(cfg); err != nil {
		return nil, err
	}
	s.guard, err = middleware.New(context.Background(), middleware.Config{ // starts nothing, since it is given its Trust
		Issuer:         cfg.Issuer,
		Audiences:      cfg.Audiences,
		Trust:          s.hub,
		ClockSkew:      cfg.ClockSkew,
		TrustedOrigins: cfg.trusted(),
		Logger:         cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if s.limits, err = budget.Find(cfg.BudgetProfiles...); err != nil {
		return nil, fmt.Errorf("%w: BudgetProfiles: %w", ErrConfig, err)
	}
	s.drawFault = s.failPage
	s.public, s.admin = s.publicHandler(), s.adminHandler()
	s.seals.refill(context.Background()) // what fails is tried again: see seals.run
	return s, nil
}

// Run follows the Log, keeps the feed going and returns when ctx ends and
// everything that it started has stopped: nil then. Streams get "bye" first. A
// Log that fails is followed again, for ever: the service goes on with what it
// knows. Run may be called once.
func (s *Service) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errors.New("running a service twice")
	}
	defer s.guard.Close()
	var settling sync.WaitGroup
	settling.Go(func() { s.seals.run(ctx) })
	settling.Go(func() { s.settleAll(ctx) })
	s.hub.run(ctx)
	settling.Wait()
	return nil
}

// SetRing makes a changed ring take effect at once: the next token is signed
// with it and the feed carries its key set to every verifier. A ring older
// than the one in use is ignored.
func (s *Service) SetRing(r *keys.Ring) {
	if r.Generation() > s.hub.ring.Load().Generation() {
		s.fault.Store(nil)
	}
	if err := s.cfg.suits(r.Plan()); err != nil {
		s.log.Error("the changed ring does not suit the settings", "err", err)
	}
	s.hub.setRing(r)
	s.seals.wake()
}

// Public is the handler of the public listener. The server that it is given to
// should bound the time and size of request headers and the time to read a
// request; streams lift those bounds from themselves.
func (s *Service) Public() http.Handler { return s.public }

// Admin is the handler of the admin listener. It belongs on an address that
// only operators reach.
func (s *Service) Admin() http.Handler { return s.admin }

// storeTimeout bounds each call of a store, which then counts as down.
const storeTimeout = 5 * time.Second

// storeContext is the context of one call of a store. Once asked for a thing
// is carried through, even when the asker hangs up.
func (s *Service) storeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
