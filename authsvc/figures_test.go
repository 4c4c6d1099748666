package authsvc_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// The figures of the feed. They are measured at full size by `make feed-full`,
// and run small with all other tests, where the clock decides nothing.
var full = os.Getenv("SEALRING_FULL") != ""

func size(everyDay, atFull int) int {
	if full {
		return atFull
	}
	return everyDay
}

// audience is a number of subscribers of one server, each of which notes when
// it has read a whole event with an id that it had not read before.
type audience struct {
	t     *testing.T
	conns []net.Conn
	done  sync.WaitGroup
	mu    sync.Mutex
	came  [][]time.Time // by subscriber, by event
}

func newAudience(t *testing.T, n int, addr, path, id, secret string) *audience {
	t.Helper()
	a := &audience{t: t, came: make([][]time.Time, n)}
	for i := range n {
		c := subscribe(t, addr, path, id, secret)
		a.conns = append(a.conns, c)
		a.done.Go(func() { a.listen(i, c) })
	}
	t.Cleanup(a.leave)
	return a
}

func subscribe(t *testing.T, addr, path, id, secret string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	r, err := http.NewRequest("GET", "http://"+addr+path, nil)
	must(t, err)
	r.SetBasicAuth(id, secret)
	must(t, r.Write(c))
	return c
}

func (a *audience) leave() {
	for _, c := range a.conns {
		_ = c.Close()
	}
	a.done.Wait()
}

// listen reads lines, whatever the chunks that they come in.
func (a *audience) listen(i int, c net.Conn) {
	var last, now []byte
	for in := bufio.NewReaderSize(c, 4<<10); ; {
		line, err := in.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil:
			return
		case bytes.HasPrefix(line, []byte("id: ")):
			now = bytes.Clone(line)
		case bytes.HasPrefix(line, []byte("data: ")) && now != nil && !bytes.Equal(now, last):
			last, now = now, nil
			at := time.Now()
			a.mu.Lock()
			a.came[i] = append(a.came[i], at)
			a.mu.Unlock()
		}
	}
}

// heard is how many events each subscriber has had.
func (a *audience) heard() (each []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, came := range a.came {
		each = append(each, len(came))
	}
	return each
}

// next waits until everybody has heard one event more than before, and returns
// when that one came to each.
func (a *audience) next(before []int) (at []time.Time) {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if at = a.after(before); len(at) == len(before) {
			return at
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("it has come to %d of %d", len(at), len(before))
		}
	}
}

// after is when the next event came, to those who have it.
func (a *audience) after(before []int) (at []time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, came := range a.came {
		if len(came) > before[i] {
			at = append(at, came[before[i]])
		}
	}
	return at
}

// spread is how long events took, from a moment to each subscriber.
type spread []time.Duration

func (s spread) at(p float64) time.Duration {
	slices.Sort(s)
	return s[min(len(s)-1, int(p*float64(len(s))))].Round(10 * time.Microsecond)
}

func (s spread) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, max %v (%d received)", s.at(.5), s.at(.99), s.at(1), len(s))
}

// rounds has say make an event, again and again after a quiet moment, and
// returns how long each took to each.
func (a *audience) rounds(n int, say func()) (s spread) {
	a.t.Helper()
	for range n {
		time.Sleep(120 * time.Millisecond)
		before, began := a.heard(), time.Now()
		say()
		for _, at := range a.next(before) {
			s = append(s, at.Sub(began))
		}
	}
	return s
}

// bareSSE is the least that a server of events can do: no store, no signature,
// no cursor.
type bareSSE struct {
	mu    sync.Mutex
	event []byte
	next  chan struct{}
}

func (b *bareSSE) say(e []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.event = e
	close(b.next)
	b.next = make(chan struct{})
}

func (b *bareSSE) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "id: 0\ndata: hello\n\n")
	for {
		b.mu.Lock()
		next := b.next
		b.mu.Unlock()
		if c.Flush() != nil {
			return
		}
		select {
		case <-next:
			b.mu.Lock()
			e := b.event
			b.mu.Unlock()
			if _, err := w.Write(e); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// From a revocation, which is on disk before it is told, to a thousand
// subscribers of one replica; also with some among them that do not read. The
// rival is measured between, so that what else the machine does is the same.
func TestFiguresOfARevocationToManySubscribers(t *testing.T) {
	many, blocks, mutes := size(40, 1000), size(2, 10), size(4, 50)
	const rounds = 5
	w := newWorld(t)
	rival := &bareSSE{next: make(chan struct{})}
	l := listen(t)
	server := serve(l, rival)
	defer func() { _ = server.Close() }()
	bare := newAudience(t, many, l.Addr().String(), "/", "x", "x")
	addr := w.issuer[len("http://"):]
	ours := newAudience(t, many, addr, "/v1/feed", "orders", w.secret)
	bare.next(make([]int, many))
	ours.next(make([]int, many)) // the snapshot

	var stored, bareTook, took, withMutes spread
	revoke := func() {
		began := time.Now()
		w.revoke()
		stored = append(stored, time.Since(began))
	}
	n := 0
	say := func() {
		n++
		rival.say(fmt.Appendf(nil, "id: %d\ndata: %0250d\n\n", n, n))
	}
	for range blocks {
		bareTook = append(bareTook, bare.rounds(rounds, say)...)
		took = append(took, ours.rounds(rounds, revoke)...)
	}
	for range mutes {
		c := subscribe(t, addr, "/v1/feed", "orders", w.secret)
		must(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
		defer func() { _ = c.Close() }()
	}
	before := ours.heard()
	w.revokeMany(size(1_000, 10_000)) // more than the system takes for those who do not read
	ours.next(before)
	for range max(1, blocks/4) {
		withMutes = append(withMutes, ours.rounds(rounds, revoke)...)
	}

	t.Logf("%d subscribers, %d rounds", many, blocks*rounds)
	t.Logf("bare events, not stored:      %v", bareTook)
	t.Logf("revoked to stored and told:   %v", stored)
	t.Logf("revoked to received:          %v", took)
	t.Logf("with %d that read nothing:    %v", mutes, withMutes)
	// On a machine that is busy with something else the rival and the disk show
	// by how much.
	bound := max(30*time.Millisecond, 4*bareTook.at(.99), 2*bareTook.at(.99)+stored.at(.99))
	for _, s := range []spread{took, withMutes} {
		if p99 := s.at(.99); full && p99 > bound {
			t.Errorf("p99 is %v, more than %v", p99, bound)
		}
	}
}

// revokeMany revokes n sessions in one append.
func (w *world) revokeMany(n int) {
	w.t.Helper()
	var es []revocation.Entry
	for range n {
		es = append(es, revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Hour)))
	}
	must(w.t, w.log.Append(w.t.Context(), es...))
}

// wire forwards connections, unless it is a black hole, which says nothing and
// closes nothing.
type wire struct {
	l        net.Listener
	target   string
	hole     atomic.Bool
	accepted atomic.Pointer[time.Time] // the first since it was asked
	mu       sync.Mutex
	open     []net.Conn
}

func newWire(t *testing.T, target string) *wire {
	w := &wire{l: listen(t), target: target}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := w.l.Accept()
			if err != nil {
				return
			}
			now := time.Now()
			w.accepted.CompareAndSwap(nil, &now)
			running.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() { _ = w.l.Close(); w.cut(); running.Wait() })
	return w
}

func (w *wire) carry(c net.Conn) {
	s, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = c.Close()
		return
	}
	w.mu.Lock()
	w.open = append(w.open, c, s)
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, dir := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := dir[0].Read(buf)
				if err != nil {
					break
				}
				if !w.hole.Load() {
					if _, err := dir[1].Write(buf[:n]); err != nil {
						break
					}
				}
			}
			_, _ = c.Close(), s.Close()
		})
	}
	both.Wait()
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		_ = c.Close()
	}
	w.open = nil
}

// followBy follows the world's issuer over a wire.
func (w *world) followBy(by *wire) *issuer.Follower {
	w.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, by.l.Addr().String())
	}}
	f, err := issuer.Follow(context.Background(), issuer.Config{
		Issuer: w.issuer, Client: issuer.Client{ID: "orders", Secret: tokens.Secret(w.secret)},
		HTTP: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler),
	})
	must(w.t, err)
	w.t.Cleanup(func() { f.Close(); transport.CloseIdleConnections() })
	w.eventually("it is live", func() bool { return f.Ready() && f.Status().Live })
	return f
}

// A connection that goes dead without a word is noticed by the heartbeats that
// do not come.
func TestFiguresOfACutThatNobodyTellsOf(t *testing.T) {
	w := newWorld(t)
	by := newWire(t, w.issuer[len("http://"):])
	f := w.followBy(by)
	var worst time.Duration
	for range size(1, 5) {
		w.patiently("it is live", func() bool { return f.Status().Live })
		by.hole.Store(true)
		began := time.Now()
		w.patiently("it is noticed", func() bool { return !f.Status().Live })
		worst = max(worst, time.Since(began))
		by.hole.Store(false)
		by.cut() // what it had sent meanwhile is lost in the hole
	}
	t.Logf("noticed after %v at most", worst.Round(time.Millisecond))
	if full && worst > 4*time.Second {
		t.Errorf("noticed after %v", worst)
	}
}

// While a verifier was cut off, more came than the feed keeps frames of. It is
// whole again with one frame, made for it from the log.
func TestFiguresOfComingBackAfterALongCut(t *testing.T) {
	frames, each := size(authsvc.FramesKept+40, 3000), size(1, 34)
	w := newWorld(t)
	by := newWire(t, w.issuer[len("http://"):])
	f := w.followBy(by)
	was := f.Status().Position
	by.hole.Store(true)
	by.cut()
	w.patiently("it is cut off", func() bool { return !f.Status().Live })
	// Over five minutes these are frames of their own; so they are here.
	for range frames {
		w.revokeMany(each)
		w.svc.FlushFeed()
	}
	by.accepted.Store(nil)
	by.hole.Store(false)
	by.cut()
	w.patiently("it is whole", func() bool { return f.Revocations().Len() >= frames*each && f.Status().Live })
	took := time.Since(*by.accepted.Load()).Round(time.Millisecond)
	t.Logf("%d revocations in %d frames: whole %v after it connected", frames*each, frames, took)
	if f.Status().Position == was {
		t.Error("it stands where it was")
	}
	if full && took > time.Second {
		t.Errorf("whole after %v", took)
	}
}

// patiently is eventually for what backs off.
func (w *world) patiently(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 90 s: %s", what)
		}
	}
}
