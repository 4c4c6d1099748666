package authsvc

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	shortPatience = 500 * time.Millisecond
	promptly      = 2 * time.Second // with patience run out, and some for a busy machine
)

// welcome knows every client and lets it follow the feed.
type welcome struct{}

func (welcome) Authenticate(_ context.Context, id, _ string) (Client, error) {
	return Client{ID: id, Scopes: []string{scopeFeed}}, nil
}

// broadcast is a running service with subscribers at real connections.
type broadcast struct {
	t    *testing.T
	s    *Service
	end  context.CancelFunc
	done chan struct{} // closed when Run has returned
	last uint64        // frame that was delivered
}

func newBroadcast(t *testing.T) *broadcast {
	t.Helper()
	s := offline(t, still{})
	if s.hub.patient <= 0 || s.hub.patient > 15*time.Second {
		t.Errorf("a service waits %v for a subscriber that does not read", s.hub.patient)
	}
	s.cfg.Clients, s.hub.patient = welcome{}, shortPatience
	ctx, cancel := context.WithCancel(context.Background())
	b := &broadcast{t: t, s: s, end: cancel, done: make(chan struct{}), last: 1}
	go func() {
		defer close(b.done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-b.done })
	return b
}

// serve starts a server for one subscriber; the system buffers little for it
// if it is a narrow one.
func (b *broadcast) serve(narrow bool) string {
	b.t.Helper()
	server := httptest.NewUnstartedServer(b.s.Public())
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if narrow {
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10) // more would only let it write more
		}
		return ctx
	}
	server.Start()
	b.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// mute subscribes and reads nothing, and little is kept for it.
func (b *broadcast) mute() net.Conn { return b.silent(4 << 10) }

// silent subscribes and reads nothing; so many bytes the system keeps for it.
func (b *broadcast) silent(buffer int) net.Conn {
	b.t.Helper()
	before := b.inside()
	address := b.serve(true)
	c, err := net.Dial("tcp", address)
	b.must(err)
	b.t.Cleanup(func() { _ = c.Close() })
	b.must(c.(*net.TCPConn).SetReadBuffer(buffer))
	r, err := http.NewRequest("GET", "http://"+address+"/v1/feed", nil)
	b.must(err)
	r.SetBasicAuth("mute", "x")
	b.must(r.Write(c))
	b.eventually("the mute subscriber is inside", func() bool { return b.inside() == before+1 })
	return c
}

// reader subscribes and returns the id of each event that has one.
func (b *broadcast) reader() <-chan string {
	b.t.Helper()
	address := b.serve(false)
	c, err := net.Dial("tcp", address)
	b.must(err)
	r, err := http.NewRequest("GET", "http://"+address+"/v1/feed", nil)
	b.must(err)
	r.SetBasicAuth("reader", "x")
	b.must(r.Write(c))
	res, err := http.ReadResponse(bufio.NewReader(c), r)
	b.must(err)
	ids, ended := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(ids)
		for in := bufio.NewReader(res.Body); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				ids <- strings.TrimSpace(id)
			}
		}
	}()
	b.t.Cleanup(func() { _ = c.Close(); <-ended })
	return ids
}

// publish lets the hub hear of entries, and returns the position after them.
func (b *broadcast) publish(entries int) string {
	f := revocation.Frame{Kind: revocation.Delta, PrevEpoch: 7, Prev: at(b.last).Cursor, Pos: at(b.last + 1)}
	now := time.Now()
	for range entries {
		f.Entries = append(f.Entries, revocation.SessionEntry(tokens.NewID(), now, now.Add(time.Hour)))
	}
	b.last++
	b.s.hub.deliver(Batch{Frame: f})
	return f.Pos.String()
}

// hears waits for a position to reach a subscriber.
func (b *broadcast) hears(ids <-chan string, position string) {
	b.t.Helper()
	deadline := time.After(promptly)
	for {
		select {
		case id, ok := <-ids:
			if !ok {
				b.t.Fatal("the subscriber that reads was cut off")
			}
			if id == position {
				return
			}
		case <-deadline:
			b.t.Fatalf("%s did not reach the subscriber that reads", position)
		}
	}
}

func (b *broadcast) inside() int {
	b.s.hub.desk.mu.Lock()
	defer b.s.hub.desk.mu.Unlock()
	return b.s.hub.desk.open
}

func (b *broadcast) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *broadcast) eventually(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(promptly); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %v: %s", promptly, what)
		}
	}
}

// tooMuch entries are more than lies between a server and one that does not
// read: each is 33 bytes on the wire.
const (
	tooMuch   = 20_000
	tooMuchIs = tooMuch * 33
)

func TestASubscriberThatDoesNotReadIsCutOffAndHoldsUpNobody(t *testing.T) {
	b := newBroadcast(t)
	reader, mute := b.reader(), b.mute()
	b.hears(reader, b.publish(tooMuch))
	b.hears(reader, b.publish(1))
	b.eventually("the mute subscriber is cut off", func() bool { return b.inside() == 1 })
	b.hears(reader, b.publish(1))
	b.must(mute.(*net.TCPConn).SetReadBuffer(1 << 20)) // what is left comes at once
	b.must(mute.SetReadDeadline(time.Now().Add(promptly)))
	got, err := io.Copy(io.Discard, mute)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("its connection stays open")
	}
	if got >= tooMuchIs {
		t.Errorf("it was sent all %d bytes before it was cut off", got)
	}
}

func TestASubscriberThatDoesNotReadDoesNotHoldUpTheShutdown(t *testing.T) {
	b := newBroadcast(t)
	reader := b.reader()
	b.mute()
	b.hears(reader, b.publish(tooMuch))
	b.end()
	select {
	case <-b.done:
	case <-time.After(promptly):
		t.Error("the service waits for it")
	}
}

// Patience is for each piece: a snapshot takes as long as it takes.
func TestASubscriberThatReadsSlowlyIsServed(t *testing.T) {
	const patience = 4 * time.Second // what a busy machine may pause is a small part of it
	b := newBroadcast(t)
	b.s.hub.patient = patience
	slow := b.silent(256 << 10) // several segments of loopback: with less the sender waits for its own probes, not for the reader
	b.publish(tooMuch * 4)
	deadline := time.Now().Add(time.Minute)
	began, got, buf := time.Now(), 0, make([]byte, 64<<10)
	b.must(slow.SetReadDeadline(deadline))
	for got < 4*tooMuchIs {
		n, err := slow.Read(buf)
		b.must(err)
		got += n
		pace := time.Duration(got) * patience / (6 * piece) // for each piece a sixth of what is allowed
		time.Sleep(time.Until(began.Add(pace)))             // and no more, though many sleeps take longer than they should
	}
	if took := time.Since(began); took < patience {
		t.Errorf("not slow enough: %v", took)
	}
}
