package authsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Example is a session that a login with cookies could begin.
type Example struct {
	Subject  string
	Audience []string // zero: all that the service has
	Scope    []string
	Roles    []string
	Data     json.RawMessage // a JSON object; nil: none
}

// Forecaster makes the answers of a service that does not run, to see how large
// they are: with keys of its own, and by the same steps.
type Forecaster struct{ s *Service }

// NewForecaster makes one of the service that cfg describes. Of cfg it takes
// what makes an answer larger or smaller: the Issuer, which is required, the
// Audiences, the AppOrigins, the StoredFields, the lives, and of the Ring the
// algorithm and the table of names; zero makes one of ES256 without a table.
func NewForecaster(cfg Config) (*Forecaster, error) {
	now := time.Now().Truncate(time.Second) // a life in whole seconds is the longest to write
	if cfg.Ring == nil {
		ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now)
		if err != nil {
			return nil, fmt.Errorf("making keys: %w", err)
		}
		cfg.Ring = ring
	}
	cfg, _ = cfg.withDefaults() // what it misses in order to run is not needed here
	cfg.Logger, cfg.ChangeRing, cfg.Spare, cfg.RingChecked = slog.New(slog.DiscardHandler), nil, nil, nil
	cfg.Data = unkept{}
	clock := func() time.Time { return now }
	s := &Service{front: front{log: cfg.Logger, https: isHTTPS(cfg.Issuer)}, cfg: cfg, now: clock, hub: newHub(cfg, clock)}
	s.seals = newSeals(cfg, s.hub.ring.Load, clock)
	s.hub.deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, AsOf: now}}) // nothing is revoked
	return &Forecaster{s}, nil
}

// unkept is a store of session data that keeps nothing.
type unkept struct{}

func (unkept) Read(_ context.Context, _ tokens.ID, cells ...string) ([][]byte, error) {
	return make([][]byte, len(cells)), nil
}

func (unkept) Write(context.Context, tokens.ID, []byte, map[string][]byte, time.Time) (bool, error) {
	return true, nil
}

// ErrTooLarge says that a session can not even be signed and sealed, so that
// there are no bytes to count.
var ErrTooLarge = errors.New("too large to be signed and sealed")

// Login is the answer to the login that begins the session, to a page of the
// origin that takes the most room. The life of an access token differs by a
// tenth, at random: where that changes how many digits it has, the answer does by
// as many bytes. With ErrTooLarge the reply has its Parts alone.
func (f *Forecaster) Login(x Example) (budget.Reply, error) {
	p, err := f.begin(x)
	if err != nil {
		return budget.Reply{Parts: p.parts}, err
	}
	return p.counted(f.base()), nil
}

// begin makes the answer. With ErrTooLarge the reply has its parts alone.
func (f *Forecaster) begin(x Example) (*reply, error) {
	if x.Audience == nil {
		x.Audience = f.s.cfg.Audiences
	}
	if x.Data != nil {
		var err error
		if x.Data, err = PlainData(x.Data); err != nil {
			return &reply{}, err
		}
	}
	req := &openapi.LoginRequest{Mode: openapi.ModeCookie, Audience: x.Audience, Data: x.Data}
	p, err := f.s.begin(context.Background(), req, User{Subject: x.Subject, Scopes: x.Scope, Roles: x.Roles}, time.Time{})
	var huge *oversized
	switch {
	case errors.As(err, &huge):
		return &reply{parts: huge.parts}, fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil:
		return &reply{}, err
	}
	return p, nil
}

// base is the header that every answer to a login has.
func (f *Forecaster) base() http.Header {
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/v1/login"}, Header: http.Header{}, Body: http.NoBody}
	longest := ""
	for _, origin := range f.s.cfg.AppOrigins {
		if len(origin) > len(longest) {
			longest = origin
		}
	}
	if longest != "" {
		r.Header.Set("Origin", longest)
	}
	h := header{}
	f.s.edge(f.s.crossOrigin(nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))).ServeHTTP(h, r)
	return http.Header(h)
}

// header is a ResponseWriter that keeps the header alone.
type header http.Header

func (h header) Header() http.Header         { return http.Header(h) }
func (h header) Write(b []byte) (int, error) { return len(b), nil }
func (h header) WriteHeader(int)             {}
