package datacookie

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

var (
	// ErrConfig is returned by New.
	ErrConfig = errors.New("datacookie: unfit configuration")
	// ErrNoSession says that no guard let the request through, or that it comes
	// from a service, which has no session.
	ErrNoSession = errors.New("datacookie: the request has no session")
)

// maxName is how many characters a group's name may have.
const maxName = 32

// Config describes a group.
type Config struct {
	// Name of the group: a-z, 0-9 and -, at most 32. The cookie is __Host-NAME.
	// Required.
	Name string
	// Ring returns the application's own keys, as they are now; those for refresh
	// tokens are used, which no other service is given. Required.
	Ring func() *keys.Ring
	// MaxAge is how long a cookie is good from when it was written. Zero: as long
	// as the ring's plan lets it be opened, which is the most.
	MaxAge time.Duration
}

// Group is data of a session in one cookie. It is safe for concurrent use.
type Group[T any] struct {
	cfg Config
	now func() time.Time
}

// New returns a group whose value is a T, as JSON. ErrConfig.
func New[T any](cfg Config) (*Group[T], error) {
	foreign := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }
	if cfg.Name == "" || len(cfg.Name) > maxName || strings.ContainsFunc(cfg.Name, foreign) {
		return nil, fmt.Errorf("%w: Name must be 1 to %d of a-z, 0-9 and -", ErrConfig, maxName)
	}
	if cfg.Ring == nil || cfg.Ring() == nil {
		return nil, fmt.Errorf("%w: Ring is required", ErrConfig)
	}
	most := cfg.Ring().Plan().Life[keys.RefreshToken]
	if cfg.MaxAge < 0 || cfg.MaxAge > most {
		return nil, fmt.Errorf("%w: MaxAge is %v, and the ring's keys open a cookie for %v", ErrConfig, cfg.MaxAge, most)
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = most
	}
	return &Group[T]{cfg: cfg, now: time.Now}, nil
}

// Load returns the value that came with the request; the zero value where there
// is none that belongs to its session, is young enough and was sealed by this
// group. Errors: ErrNoSession; keys.ErrUnavailable while the ring can not be
// asked; one of encoding/json where the value is no T.
func (g *Group[T]) Load(r *http.Request) (value T, err error) {
	sid, err := sessionOf(r)
	if err != nil {
		return value, err
	}
	value, _, err = g.open(sid, g.came(r))
	return value, err
}

// Update changes the value: that of the request, or what an earlier Update of the
// same answer made of it. The cookie is set only if the value is another than
// before. Nothing is set when change returns an error, which is passed on.
// Further errors: those of Load; a *budget.OverError where a browser would drop
// the cookie.
func (g *Group[T]) Update(w http.ResponseWriter, r *http.Request, change func(*T) error) error {
	sid, err := sessionOf(r)
	if err != nil {
		return err
	}
	raw, set := g.pending(w.Header())
	if !set {
		raw = g.came(r)
	}
	value, before, err := g.open(sid, raw)
	if err != nil {
		return err
	}
	if err := change(&value); err != nil {
		return err
	}
	after, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("datacookie: %s: %w", g.cfg.Name, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	return g.set(w, sid, after)
}

// Clear removes the cookie from the browser.
func (g *Group[T]) Clear(w http.ResponseWriter) {
	c := g.cookie("")
	c.MaxAge = -1
	g.put(w.Header(), c)
}

func sessionOf(r *http.Request) (tokens.ID, error) {
	s, ok := middleware.FromContext(r.Context())
	if !ok {
		return tokens.ID{}, ErrNoSession
	}
	sid := s.Claims().SessionID
	if sid.IsZero() {
		return tokens.ID{}, ErrNoSession
	}
	return sid, nil
}
