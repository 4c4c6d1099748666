package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ErrExchange is returned by the transport of Next when the issuer gives no token
// for the next service. The request is not sent.
var ErrExchange = errors.New("no token for the next service")

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"

	exchangeTime = 5 * time.Second
	// maxExchanged is how many tokens a transport keeps at most.
	maxExchanged = 10_000
	// spare is how much of its life a kept token must have before it.
	spare = 5 * time.Second
	// maxAnswer is how many bytes of the issuer's answer are read.
	maxAnswer = 64 << 10
)

// Next returns a transport for calls to the next service, for the user whose
// request is being served: it finds the session in the context of the request that
// it sends, has the issuer exchange its token for one of that audience (RFC 8693),
// and sends that. The token that came is never passed on, and what is passed on is
// good for that audience alone. One exchange serves all calls of a session until its
// access token ends.
//
//	stock := &http.Client{Transport: guard.Next("stock", nil)}
//	req, _ := http.NewRequestWithContext(r.Context(), "GET", "https://stock.example.com/left", nil)
//	resp, err := stock.Do(req)
//
// The guard's Client needs the scope "exchange:AUDIENCE", and to be named like the
// guard's own audience. A nil base is http.DefaultTransport. Errors: ErrNoCredential for
// a context without a session, ErrExchange, and those of base.
func (g *Guard) Next(audience string, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	n := g.next(audience)
	n.base = base
	return n
}

// NextToken is Next for calls that are not of net/http: it returns what finds the
// token to send, for the session in a context. Errors are those of Next.
func (g *Guard) NextToken(audience string) func(context.Context) (string, error) {
	return g.next(audience).token
}

func (g *Guard) next(audience string) *next {
	client := g.cfg.HTTP
	if client == nil {
		client = &http.Client{Timeout: exchangeTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &next{guard: g, audience: audience, client: client, kept: map[[sha256.Size]byte]*exchanged{}}
}

type next struct {
	guard    *Guard
	audience string
	base     http.RoundTripper
	client   *http.Client

	mu   sync.Mutex
	kept map[[sha256.Size]byte]*exchanged // by the token that came
}

// exchanged is one exchange, under way or done.
type exchanged struct {
	done  chan struct{}
	token string
	until time.Time
	err   error
}

// RoundTrip implements http.RoundTripper.
func (n *next) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := n.token(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	return n.base.RoundTrip(out)
}

// token is the one for the next service of the session in ctx.
func (n *next) token(ctx context.Context) (string, error) {
	s, ok := FromContext(ctx)
	if !ok {
		return "", ErrNoCredential
	}
	x, first := n.join(sha256.Sum256([]byte(s.Token.Reveal())))
	if first {
		// Others wait for it, so it does not end with this request.
		x.token, x.until, x.err = n.exchange(context.WithoutCancel(ctx), s)
		close(x.done)
	}
	select {
	case <-x.done:
		return x.token, x.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// join returns the exchange of a token; whoever is the first has to make it. One
// that has failed is made again.
func (n *next) join(key [sha256.Size]byte) (x *exchanged, first bool) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if x = n.kept[key]; x != nil && x.good(now) {
		return x, false
	}
	if len(n.kept) >= maxExchanged {
		n.drop(now)
	}
	x = &exchanged{done: make(chan struct{})}
	n.kept[key] = x
	return x, true
}

// good reports whether it is under way, or has given a token that still lives.
func (x *exchanged) good(now time.Time) bool {
	select {
	case <-x.done:
		return x.err == nil && now.Add(spare).Before(x.until)
	default:
		return true
	}
}

// drop makes room: what is over goes, and if that is not enough, some of the rest.
func (n *next) drop(now time.Time) {
	for key, x := range n.kept {
		if !x.good(now) {
			delete(n.kept, key)
		}
	}
	for key := range n.kept {
		if len(n.kept) < maxExchanged {
			return
		}
		delete(n.kept, key)
	}
}

// exchange asks the issuer.
func (n *next) exchange(ctx context.Context, s *Session) (token string, until time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	cfg := &n.guard.cfg
	form := url.Values{"grant_type": {grantExchange}, "subject_token": {s.Token.Reveal()}, "subject_token_type": {typeAccess}, "audience": {n.audience}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(cfg.Issuer, "/")+"/v1/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", until, fmt.Errorf("%w: %w", ErrExchange, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(cfg.Client.ID), url.QueryEscape(cfg.Client.Secret)) // RFC 6749 §2.3.1
	asked := time.Now()
	res, err := n.client.Do(r)
	if err != nil {
		return "", until, fmt.Errorf("%w: %w", ErrExchange, err)
	}
	defer func() { _ = res.Body.Close() }()
	var said struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Error       string `json:"error"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&said)
	if res.StatusCode != http.StatusOK {
		return "", until, fmt.Errorf("%w: %s %s", ErrExchange, res.Status, quoted(said.Error))
	}
	if err != nil || said.AccessToken == "" {
		return "", until, fmt.Errorf("%w: not an answer of RFC 8693", ErrExchange)
	}
	return said.AccessToken, asked.Add(time.Duration(said.ExpiresIn) * time.Second), nil
}
