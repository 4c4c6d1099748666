package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Guard judges requests. It is made by New, safe for concurrent use, and
// closed when the server has stopped.
type Guard struct {
	cfg     Config
	log     *slog.Logger
	trust   Trust
	holder  holder // trust, if it is one
	expect  tokens.Expect
	cookies bool // whether session cookies are a credential here
	origins *http.CrossOriginProtection
	realm   string
	seen    *cache
	live    *registry
	nursery nursery
	stop    func()
}

// New returns a guard that follows the issuer until ctx ends or Close. It
// does not wait for the issuer and never fails because that is down: until
// the keys are there, requests with a credential are answered 503 and Ready
// is false. The only error is ErrConfig.
func New(ctx context.Context, cfg Config) (*Guard, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	origins, err := crossOrigin(cfg.TrustedOrigins)
	if err != nil {
		return nil, err
	}
	trust, stopTrust, err := trustOf(ctx, cfg)
	if err != nil {
		return nil, err
	}
	g := &Guard{
		cfg:     cfg,
		log:     cfg.Logger,
		trust:   trust,
		expect:  tokens.Expect{Issuer: cfg.Issuer, Audiences: cfg.Audiences, Leeway: cfg.ClockSkew, NoTables: cfg.NoTables},
		cookies: cfg.Trust != nil || cfg.Client.ID != "",
		origins: origins,
		realm:   cfg.Audiences[0],
		seen:    newCache(cacheBytes),
	}
	g.holder, _ = trust.(holder)
	g.live = newRegistry(trust.Revocations())
	unsubscribe := trust.Subscribe(g.live.apply)
	unwatch := func() {}
	if cfg.Metrics != nil {
		unwatch = cfg.Metrics.Watch(g.Status)
	}
	g.stop = func() { unwatch(); g.nursery.stop.Store(true); unsubscribe(); stopTrust() }
	if cfg.Trust == nil {
		g.log.Info("guard started", "issuer", cfg.Issuer, "audiences", cfg.Audiences, "without_feed", withoutFeed(cfg))
	}
	return g, nil
}

// withoutFeed says what becomes of tokens while no revocation can be heard of.
func withoutFeed(cfg Config) string {
	if cfg.MaxStale == 0 {
		return "tokens are accepted until they expire"
	}
	return "tokens are accepted up to an age of " + cfg.MaxStale.String()
}

// trustOf returns the source of trust and how to stop it: the one given, which
// is not ours to stop, or a follower.
func trustOf(ctx context.Context, cfg Config) (Trust, func(), error) {
	if cfg.Trust != nil {
		return cfg.Trust, func() {}, nil
	}
	f, err := issuer.Follow(ctx, issuer.Config{
		Issuer:   cfg.Issuer,
		Feed:     cfg.Feed,
		Client:   issuer.Client{ID: cfg.Client.ID, Secret: tokens.Secret(cfg.Client.Secret)},
		Snapshot: cfg.Snapshot,
		HTTP:     cfg.HTTP,
		Log:      cfg.Logger,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return f, f.Close, nil
}

func crossOrigin(trusted []string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("%w: trusted origin: %w", ErrConfig, err)
		}
	}
	return p, nil
}

// Close stops following the issuer and waits until that has ended. Requests
// under way go on; their contexts no longer end by revocation.
func (g *Guard) Close() { g.stop() }

// Ready reports whether the guard has what it needs to judge: the key set
// and, with a Client, the session keys and a first revocation list. Once true
// it stays true; a lost feed does not make a service unready. Made for a
// readiness probe.
func (g *Guard) Ready() bool { return g.trust.Ready() }

// Status is what a guard knows about itself, for a status page or, as
// Config.Metrics does, a scrape. It costs a few loads.
type Status struct {
	Issuer      string        // as configured
	Ready       bool          // see Guard.Ready
	Live        bool          // the feed is connected and delivers; without a Client and under Config.Trust: false
	Fault       string        // why the issuer is not reached; empty: no fault
	Position    string        // in the issuer's log, as /admin/v1/verifiers shows it; empty: none yet
	AsOf        time.Time     // the revocation list is complete up to here; zero: there is none yet
	Lag         time.Duration // how long ago that is; NoList: there is none yet
	KeysAt      time.Time     // when the key set was last confirmed; zero: not yet, or under Config.Trust
	Revocations int           // entries in the list
	Requests    int           // requests, streams and connections being served now
}

// Status returns the guard's present state.
func (g *Guard) Status() Status {
	asOf := g.trust.AsOf()
	s := Status{
		Issuer:      g.cfg.Issuer,
		Ready:       g.trust.Ready(),
		AsOf:        asOf,
		Lag:         lag(asOf, time.Now()),
		Revocations: g.trust.Revocations().Len(),
		Requests:    g.live.len() + g.nursery.len(),
	}
	if f, ok := g.trust.(*issuer.Follower); ok {
		st := f.Status()
		s.Live, s.Fault, s.KeysAt = st.Live, st.Fault, st.KeysAt
		if st.Position != (revocation.Position{}) {
			s.Position = st.Position.String()
		}
	}
	return s
}

// lag is the age of a list that is complete up to asOf.
func lag(asOf, now time.Time) time.Duration {
	if asOf.IsZero() {
		return NoList
	}
	return max(0, now.Sub(asOf))
}
