package authsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// relayHeader says how many relays a document has come through.
const relayHeader = "Sealring-Relay"

// askAgain is how long a relay goes on with a document that it has, once
// asking for a newer one has failed.
const askAgain = 2 * time.Second

// mirror is one public document of the upstream, kept as it came. While the
// upstream is away it is served at any age: verifiers do not give up what they
// have either.
type mirror struct {
	upstream *upstream
	path     string
	check    func(*told) error
	now      func() time.Time
	outdated atomic.Bool // it is known to have changed

	mu     sync.Mutex // held while it is fetched, for all who wait for it
	held   *told      // nil: never had
	failed time.Time
}

// get returns the document, not older than half of what its origin allows if
// the upstream answers.
func (m *mirror) get(ctx context.Context) (*told, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.held != nil && !m.outdated.Load() && now.Sub(m.held.at) < maxAgeOf(m.held.header)/2 {
		return m.held, nil
	}
	if m.held != nil && now.Sub(m.failed) < askAgain {
		return m.held, nil
	}
	m.outdated.Store(false) // first: it may change once more meanwhile
	t, err := m.upstream.ask(ctx, question{method: http.MethodGet, path: m.path})
	if err == nil && t.status != http.StatusOK {
		err = fmt.Errorf("%s: status %d", m.path, t.status)
	}
	if err == nil {
		err = m.check(t)
	}
	if err == nil {
		m.held = t
		return t, nil
	}
	m.outdated.Store(true)
	m.failed = now
	if m.held == nil || errors.Is(err, errChain) {
		return nil, unavailable(err)
	}
	return m.held, nil
}

// reply is the document for one who may hold it already. Its age counts.
func (m *mirror) reply(ctx context.Context, mediaType, held string) (*reply, error) {
	t, err := m.get(ctx)
	if err != nil {
		return nil, err
	}
	p := document(mediaType, t.body, max(0, maxAgeOf(t.header)-m.now().Sub(t.at)), held)
	if g := t.header.Get(generationHeader); g != "" {
		p.header.Set(generationHeader, g)
	}
	return p, nil
}

func maxAgeOf(h http.Header) time.Duration {
	for part := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			if n, err := strconv.ParseUint(value, 10, 31); err == nil {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 0
}

func checkKeySet(t *told) error {
	_, err := keys.ParseSet(t.body)
	return err
}

var (
	errChain = fmt.Errorf("more than %d relays one behind the other", maxRelays)
	errOther = errors.New("the upstream is of another issuer")
)

// checkMetadata also learns from it where in the chain this relay is.
func (r *Relay) checkMetadata(t *told) error {
	var m struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(t.body, &m); err != nil || m.Issuer != r.cfg.Issuer {
		return errOther
	}
	above, err := strconv.ParseUint(t.header.Get(relayHeader), 10, 8)
	if err != nil {
		above = 0
	}
	r.depth.Store(int32(above) + 1)
	if above >= maxRelays {
		return errChain
	}
	return nil
}
