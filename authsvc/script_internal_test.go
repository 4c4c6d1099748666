package authsvc

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// script is a Log that says what the test has it say, as one does that is
// shared through something which can be away: it begins at position 1 of
// epoch 7, knowing nothing.
type script struct {
	mu      sync.Mutex
	deliver func(Batch)
	asOf    atomic.Pointer[time.Time]          // nil: now
	since   atomic.Pointer[[]revocation.Entry] // what came after any position; nil: nobody knows
}

func (*script) Append(context.Context, ...revocation.Entry) error { return errDown }

func (l *script) Follow(ctx context.Context, deliver func(Batch)) error {
	deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)}})
	l.mu.Lock()
	l.deliver = deliver
	l.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (l *script) Since(_ context.Context, p revocation.Position) (Batch, error) {
	if es := l.since.Load(); es != nil {
		return Batch{Frame: revocation.Frame{Kind: revocation.Delta, PrevEpoch: p.Epoch, Prev: p.Cursor, Pos: at(p.Cursor.Ms + 1), Entries: *es}}, nil
	}
	return Batch{}, ErrUnknownPosition
}

func (l *script) AsOf() time.Time {
	if t := l.asOf.Load(); t != nil {
		return *t
	}
	return time.Now()
}

// says delivers frames, one at once after the other.
func (l *script) says(frames ...revocation.Frame) {
	for {
		l.mu.Lock()
		deliver := l.deliver
		l.mu.Unlock()
		if deliver != nil {
			for _, f := range frames {
				deliver(Batch{Frame: f})
			}
			return
		}
		time.Sleep(time.Millisecond) // until the service follows
	}
}

func delta(from, to uint64, entries ...revocation.Entry) revocation.Frame {
	return revocation.Frame{Kind: revocation.Delta, PrevEpoch: 7, Prev: at(from).Cursor, Pos: at(to), Entries: entries}
}

// unshared carries entries that are not in the shared log.
func unshared(n uint64, entries ...revocation.Entry) revocation.Frame { return delta(n, n, entries...) }

// anew leads from position n of epoch 7 to position n of epoch 8.
func anew(n uint64, entries ...revocation.Entry) revocation.Frame {
	f := delta(n, n, entries...)
	f.Kind, f.Pos.Epoch = revocation.Rebase, 8
	return f
}

func ended() revocation.Entry {
	now := time.Now()
	e := revocation.SessionEntry(tokens.NewID(), now, now.Add(time.Hour))
	e.Made = uint32(now.Unix())
	return e
}

// scripted is a running service with a script for a Log.
type scripted struct {
	*Service
	script *script
	addr   string
	feeds  atomic.Int64 // requests for the feed
}

var scriptRing = sync.OnceValues(func() (*keys.Ring, error) {
	return keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now().Add(-time.Second))
})

func newScripted(t *testing.T, prepare ...func(*hub)) *scripted {
	t.Helper()
	ring, err := scriptRing()
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{script: &script{}}
	s.Service, err = New(Config{Issuer: "http://localhost", Audiences: []string{"orders"}, Ring: ring, Log: s.script, Sessions: down{},
		Users: nobody{}, Clients: welcome{}, AdminToken: "0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(s.hub)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/feed" {
			s.feeds.Add(1)
		}
		s.Public().ServeHTTP(w, r)
	}))
	t.Cleanup(func() { cancel(); running.Wait(); server.Close() })
	s.addr = server.Listener.Addr().String()
	for s.hub.view.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	return s
}

// moving is a client whose every host is the address that it was given last.
type moving struct {
	addr atomic.Pointer[string]
	mu   sync.Mutex
	open []net.Conn
}

func (m *moving) to(addr string) *moving { m.addr.Store(&addr); return m }

// cut ends every connection.
func (m *moving) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		_ = c.Close()
	}
	m.open = nil
}

func (m *moving) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, *m.addr.Load())
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open = append(m.open, c)
	}
	return c, err
}

// verifier is a real follower behind m.
func (m *moving) verifier(t *testing.T) *issuer.Follower {
	t.Helper()
	transport := &http.Transport{DialContext: m.dial}
	f, err := issuer.Follow(context.Background(), issuer.Config{
		Issuer: "http://localhost", Client: issuer.Client{ID: "orders", Secret: "x"},
		HTTP: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); transport.CloseIdleConnections() })
	until(t, "the verifier is live", func() bool { return f.Status().Live })
	return f
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 40 s: %s", what)
		}
	}
}

func knows(f *issuer.Follower, e revocation.Entry) bool {
	_, ok := f.Revocations().Match(&tokens.Claims{SessionID: e.ID, Subject: "x", ClientID: "x"})
	return ok
}

// resumed connects at a position and returns the frames up to the first
// heartbeat, as one knows them who holds the ring.
func (s *scripted) resumed(t *testing.T, p revocation.Position) (frames []*revocation.Frame, reset bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/v1/feed?since="+p.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("orders", "x")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	name := ""
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "":
			name = ""
		case field == "event":
			name = value
		case field == "data" && name == "reset":
			return frames, true
		case field == "data" && name == "":
			f := s.parse(t, value)
			if len(f.Entries) == 0 && !hasPlace(f) {
				return frames, false
			}
			frames = append(frames, f)
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return nil, false
}

// whole fetches the snapshot alone.
func (s *scripted) whole(t *testing.T) *revocation.Frame {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+"/v1/feed?snapshot=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("orders", "x")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return s.parse(t, string(body))
}

func (s *scripted) parse(t *testing.T, jws string) *revocation.Frame {
	t.Helper()
	payload, err := tokens.VerifyBytes(tokens.TypFeed, jws, s.hub, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f, err := revocation.ParseFrame(payload)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func carry(frames []*revocation.Frame, e revocation.Entry) bool {
	return slices.ContainsFunc(frames, func(f *revocation.Frame) bool {
		return slices.ContainsFunc(f.Entries, func(o revocation.Entry) bool { return o.Target() == e.Target() })
	})
}
