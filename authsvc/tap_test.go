package authsvc_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// tap is the proxy in front of a world that sees what is posted to the token
// endpoint, and can lose the answers.
type tap struct {
	mu     sync.Mutex
	losses []loss // of the posts to come
	posts  []post
	next   atomic.Pointer[httputil.ReverseProxy]
	pass   func()
}

type loss string

const (
	badGateway loss = "answered 502 in the place of the service"
	cutOff     loss = "cut off without an answer"
	tooLate    loss = "cut off when the grace is over"
)

// post is one, and the service's answer to it, whether or not that arrived.
type post struct {
	basic   bool // the client is in the header
	form    url.Values
	status  int
	refresh string // the refresh token of the answer
}

// tapped is a world whose issuer is a tap, and whose store follows a clock that
// pass moves on.
type tapped struct {
	*world
	tap *tap
}

// patientGrace is long enough for two posts on the slowest machine.
const patientGrace = time.Minute

// pass lets so much time pass that the next refresh advances.
func (w *tapped) pass() { w.ahead.Add(int64(patientGrace + time.Millisecond)) }

func newTappedWorld(t *testing.T, change ...func(*authsvc.Config)) *tapped {
	t.Helper()
	p, l := &tap{}, listen(t)
	through := "http://" + l.Addr().String()
	w := &world{t: t, ahead: new(atomic.Int64)}
	buildWorld(w, append(slices.Clone(change), func(c *authsvc.Config) { c.Issuer, c.RefreshGrace = through, patientGrace })...)
	behind, err := url.Parse(w.issuer)
	must(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	p.next.Store(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) }})
	server := serve(l, p)
	t.Cleanup(func() {
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	w.issuer = through
	both := &tapped{w, p}
	p.pass = both.pass
	return both
}

// ServeHTTP implements http.Handler.
func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/token" {
		p.next.Load().ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	p.next.Load().ServeHTTP(answer, r)
	form, _ := url.ParseQuery(string(body))
	var said told
	_ = json.Unmarshal(answer.Body.Bytes(), &said)
	switch p.note(post{r.Header["Authorization"] != nil, form, answer.Code, said.RefreshToken}) {
	case badGateway:
		http.Error(w, "Bad Gateway", http.StatusBadGateway)
		return
	case tooLate:
		p.pass()
		panic(http.ErrAbortHandler)
	case cutOff:
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (p *tap) note(one post) (l loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts = append(p.posts, one)
	if len(p.losses) > 0 {
		l, p.losses = p.losses[0], p.losses[1:]
	}
	return l
}

// lose has the answers of the next posts lost.
func (p *tap) lose(losses ...loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losses = losses
}

// seen returns what was posted since it was asked last.
func (p *tap) seen() (posts []post) {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts, p.posts = p.posts, nil
	return posts
}
