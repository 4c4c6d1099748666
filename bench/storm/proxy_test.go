package storm

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// longest is how long the proxy keeps a request or an answer back, at most.
const longest = 300 * time.Millisecond

// mischief is what the proxy does to one request.
type mischief int

const (
	none       mischief = iota
	late                // the request is kept back
	lateAnswer          // the answer is: one that was made later may arrive before it
	repeated            // sent twice; the client gets the answer that comes first
	echoed              // sent again after it was answered
	halfClosed          // the replica is told that no more comes before it can answer
	unsent              // the connection ends, and no replica hears of the request
	lost                // the replica has answered, and the connection ends
	cut                 // it ends in the middle of the answer's body
	headOnly            // the proxy stops sending after the head, and the client sees an end
	mischiefs
)

var mischiefNames = [mischiefs]string{"none", "kept back", "answer kept back", "sent twice", "sent again", "half-closed", "not sent", "answer lost", "answer cut", "answer's head alone"}

// badProxy stands before the replicas and does mischief to half of the requests,
// as its seed says.
type badProxy struct {
	t        *testing.T
	replicas []string
	counts   [mischiefs]atomic.Int64
	extra    atomic.Int64 // requests that it made up
	clients  []*http.Client
	echoes   sync.WaitGroup

	mu  sync.Mutex
	rng *rand.Rand
}

// newBadProxy starts one and returns its address.
func newBadProxy(t *testing.T, replicas []string, seed uint64) (p *badProxy, addr string) {
	p = &badProxy{t: t, replicas: replicas, rng: rand.New(rand.NewPCG(seed, 1))}
	for _, r := range replicas {
		p.clients = append(p.clients, dialling(t, inFlight(), r))
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); p.echoes.Wait() })
	return p, server.Listener.Addr().String()
}

// draw is what is done to the next request, at which replica, and a delay.
func (p *badProxy) draw() (m mischief, replica int, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.IntN(2) == 0 {
		m = 1 + mischief(p.rng.IntN(int(mischiefs)-1))
	}
	return m, p.rng.IntN(len(p.replicas)), time.Duration(p.rng.Int64N(int64(longest)))
}

// ServeHTTP implements http.Handler.
func (p *badProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, replica, delay := p.draw()
	p.counts[m].Add(1)
	p.pass(w, r, m, replica, delay)
}

// pass passes a request on to a replica, and does the mischief.
func (p *badProxy) pass(w http.ResponseWriter, r *http.Request, m mischief, replica int, delay time.Duration) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if m == unsent {
		panic(http.ErrAbortHandler)
	}
	if m == late {
		time.Sleep(delay)
	}
	a, err := p.forward(m, replica, r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if m == echoed {
		p.echo(1-replica, r, body, delay)
	}
	if m == lateAnswer {
		time.Sleep(delay)
	}
	a.give(w, m)
}

// forward has a replica answer, or both of them.
func (p *badProxy) forward(m mischief, replica int, r *http.Request, body []byte) (*upstream, error) {
	switch m {
	case halfClosed:
		return p.halfClose(replica, r, body)
	case repeated:
		first, err := make(chan *upstream, 2), error(nil)
		p.extra.Add(1)
		for i := range p.replicas {
			p.echoes.Go(func() {
				a, _ := p.ask(i, r, body)
				first <- a
			})
		}
		a := <-first
		if a == nil {
			err = io.ErrUnexpectedEOF
		}
		return a, err
	}
	return p.ask(replica, r, body)
}

// echo sends a request again later, and nobody hears the answer.
func (p *badProxy) echo(replica int, r *http.Request, body []byte, delay time.Duration) {
	p.extra.Add(1)
	p.echoes.Go(func() {
		time.Sleep(delay)
		_, _ = p.ask(replica, r, body)
	})
}

// upstream is a replica's whole answer.
type upstream struct {
	status int
	header http.Header
	body   []byte
}

func whole(res *http.Response, err error) (*upstream, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return &upstream{res.StatusCode, res.Header, body}, err
}

func request(r *http.Request, body []byte) *http.Request {
	u := &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path}
	again, err := http.NewRequestWithContext(context.Background(), r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	again.Header = r.Header.Clone()
	return again
}

func (p *badProxy) ask(replica int, r *http.Request, body []byte) (*upstream, error) {
	return whole(p.clients[replica].Do(request(r, body)))
}

// halfClose ends its own half of the connection once the request is sent.
func (p *badProxy) halfClose(replica int, r *http.Request, body []byte) (*upstream, error) {
	conn, err := net.Dial("tcp", p.replicas[replica])
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	again := request(r, body)
	if err := again.Write(conn); err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, err
	}
	return whole(http.ReadResponse(bufio.NewReader(conn), again))
}

// give passes the answer on, or as much of it as the mischief leaves.
func (a *upstream) give(w http.ResponseWriter, m mischief) {
	if m == lost {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[name] = values // with the length of the whole body
	}
	w.WriteHeader(a.status)
	switch m {
	case cut:
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case headOnly:
		a.headAlone(w)
	default:
		_, _ = w.Write(a.body)
	}
}

// headAlone ends the proxy's half of the connection after the head, and the
// other when the client has ended its own.
func (a *upstream) headAlone(w http.ResponseWriter) {
	flow := http.NewResponseController(w)
	_ = flow.Flush()
	conn, rest, err := flow.Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.Copy(io.Discard, rest)
	_ = conn.Close()
}
