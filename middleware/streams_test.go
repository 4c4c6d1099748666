package middleware_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// streamsOf says how many streams each of how many subjects has open;
// SEALRING_FULL=1 asks for 10,000 in all.
func streamsOf() (subjects, each int, full bool) {
	if os.Getenv("SEALRING_FULL") != "" {
		return 1000, 10, true
	}
	return 30, 10, false
}

// One process has many streams open, each on a connection of its own. One
// subject is revoked: its streams end, nobody else's, and leave no goroutine.
func TestOnlyTheRevokedSubjectsStreamsEnd(t *testing.T) {
	subjects, each, full := streamsOf()
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	var running, ended atomic.Int64
	server := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		_, _ = io.WriteString(w, "hello\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		if s, _ := middleware.FromContext(r.Context()); s.Subject == "subject-7" {
			ended.Add(1)
		}
	})))
	t.Cleanup(server.Close) // after the clients have gone: it waits for the streams
	clients := startClients(t, server.Listener.Addr().String())
	before := runtime.NumGoroutine()

	for n := range subjects * each {
		clients.open(iss.Token(authtest.Subject(fmt.Sprintf("subject-%d", n%subjects))))
	}
	clients.wait(t, "open", subjects*each)
	opened := runtime.NumGoroutine()

	began := time.Now()
	iss.RevokeSubject("subject-7")
	eventually(t, "the subject's streams have ended", func() bool { return ended.Load() == int64(each) })
	took := time.Since(began)
	t.Logf("%d of %d streams ended within %v", each, subjects*each, took)
	if full && took > time.Second {
		t.Error("that is more than a second")
	}
	clients.wait(t, "closed", each)
	left := subjects*each - each
	eventually(t, "their goroutines are gone", func() bool { return runtime.NumGoroutine() <= opened-2*each }) // each had the handler's and a reader
	if n, r := g.Status().Requests, running.Load(); n != left || r != int64(left) || ended.Load() != int64(each) {
		t.Errorf("%d requests and %d handlers are left, want %d", n, r, left)
	}

	clients.hangUp()
	clients.wait(t, "closed", subjects*each)
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	if n := g.Status().Requests; n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// clientsOf is set for the process that has the streams' other ends, so that
// each process needs but one descriptor for a stream.
const clientsOf = "SEALRING_TEST_CLIENTS_OF"

// clients are the streams' clients, in another process.
type clients struct {
	in  io.WriteCloser
	out *bufio.Writer

	mu   sync.Mutex
	said map[string]int // lines that the process wrote
}

func startClients(t *testing.T, address string) *clients {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), clientsOf+"="+address)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var faults bytes.Buffer
	cmd.Stderr = &faults
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &clients{in: in, out: bufio.NewWriter(in), said: map[string]int{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.said[lines.Text()]++
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the clients say: %s", faults.String())
		}
	})
	return c
}

func (c *clients) open(token string) { fmt.Fprintln(c.out, token) }

// hangUp closes every stream from the client's side.
func (c *clients) hangUp() { fmt.Fprintln(c.out, "hang up"); _ = c.out.Flush() }

// wait waits until the clients have said something so often.
func (c *clients) wait(t *testing.T, what string, n int) {
	t.Helper()
	_ = c.out.Flush()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		c.mu.Lock()
		said := c.said[what]
		c.mu.Unlock()
		switch {
		case said == n:
			return
		case said > n || time.Now().After(end):
			t.Fatalf("%d streams are %s, want %d", said, what, n)
		}
	}
}

// runClients is the other process: it opens a stream for each token on its
// standard input, and says when one is open and when one is closed.
func runClients(address string) {
	var (
		conns []net.Conn
		done  sync.WaitGroup
		tells = make(chan string)
	)
	go func() {
		for line := range tells {
			fmt.Println(line)
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "hang up" {
			break
		}
		conn, err := openStream(address, lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		conns = append(conns, conn)
		tells <- "open"
		done.Go(func() {
			_, _ = io.Copy(io.Discard, conn)
			tells <- "closed"
		})
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	done.Wait()
	_, _ = io.Copy(io.Discard, os.Stdin) // what it said has to be read first
}

func openStream(address, token string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: service\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "hello") {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("the stream was not opened")
}
