package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// recipe is a folder of deploy: configuration that a proxy runs as it stands,
// but for the addresses.
type recipe struct {
	name    string // of the folder and of the proxy
	files   []string
	command func(t *testing.T, f *front, dir string) []string // how to start it with the files in dir; it stays in the foreground
}

// The addresses in every recipe.
const (
	recipeAuth  = "127.0.0.1:8080"
	recipeApp   = "127.0.0.1:3000"
	recipeFront = "8000"
)

// front is a site behind the proxy of a recipe, and an application beside it.
type front struct {
	*site
	recipe
	url string
	app *application
}

func newFront(t *testing.T, r recipe) *front {
	t.Helper()
	f := &front{site: newSite(t), recipe: r, app: newApplication(t)}
	port := freePort(t)
	f.url = "http://localhost:" + port
	f.issuer, f.args = f.url, []string{"--issuer", f.url}
	f.startAuth(t)
	dir := t.TempDir()
	for _, name := range r.files {
		f.install(t, dir, name, port)
	}
	f.serve(t, port, r.command(t, f, dir)...)
	return f
}

// install copies a file of the recipe, with the addresses of this run.
func (f *front) install(t *testing.T, dir, name, port string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", f.name, name))
	must(t, err)
	text := strings.NewReplacer(
		recipeAuth, "127.0.0.1:"+f.direct[strings.LastIndex(f.direct, ":")+1:],
		recipeApp, strings.TrimPrefix(f.app.URL, "http://"),
		recipeFront, port,
		"/etc/"+f.name, dir,
	).Replace(string(raw))
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

// edit changes a file, which must have what is to be replaced.
func edit(t *testing.T, path, old, text string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(raw), old) {
		t.Fatalf("%s does not have %q", path, old)
	}
	mustWrite(t, path, strings.Replace(string(raw), old, text, 1))
}

// serve starts the proxy and waits until it listens.
func (f *front) serve(t *testing.T, port string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s (make needs installs it): %v", f.name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { // in its own way, so that its workers end too
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", f.name, out.String())
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", f.name, out.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v\n%s", f.name, err, out.String())
		}
	}
}

// application believes what it is told, as one behind a proxy does.
type application struct {
	*httptest.Server
	asked atomic.Int32
}

// told is what it answers with: the request that has reached it.
type told struct {
	Method, URI, Body string
	Header            http.Header
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() { a.CloseClientConnections(); a.Close() })
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	switch {
	case r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Connection"), "Upgrade") && r.Header.Get("Upgrade") == "websocket":
		converse(w, r)
		return
	case r.URL.Path == "/broken":
		http.Error(w, "the application's own", http.StatusInternalServerError)
		return
	case r.URL.Path == "/private":
		http.Error(w, "the application's own", http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(told{r.Method, r.RequestURI, string(body), r.Header})
}

// converse answers a line with another, in place of WebSocket's frames: the
// proxies look at the handshake alone.
func converse(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 §4.2.2
	fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	_ = both.Flush()
	line, err := both.ReadString('\n')
	if err == nil {
		fmt.Fprintf(both, "%s says %s", r.Header.Get("X-Auth-Subject"), line)
		_ = both.Flush()
	}
}

// values are those of a header as an application sees them that makes no
// difference between a hyphen and an underscore: CGI and all that follows it.
func (s told) values(name string) (all []string) {
	plain := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	for n, values := range s.Header {
		if plain(n) == plain(name) {
			all = append(all, values...)
		}
	}
	return all
}

// answer is what the proxy says.
type answer struct {
	*http.Response
	body string
}

// send sends a request with these headers, each one a line and as it stands,
// and returns the answer and the connection.
func (f *front) send(t *testing.T, method, path, body string, headers ...string) (*answer, net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, strings.TrimPrefix(f.url, "http://"))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	_, err = io.WriteString(conn, b.String()+"\r\n"+body)
	must(t, err)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return &answer{Response: resp}, conn, r
	}
	raw, err := io.ReadAll(resp.Body)
	must(t, err)
	return &answer{resp, string(raw)}, conn, r
}

func (f *front) get(t *testing.T, path string, headers ...string) *answer {
	t.Helper()
	a, _, _ := f.send(t, http.MethodGet, path, "", headers...)
	return a
}

func (a *answer) want(t *testing.T, status int) *answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("answers %s, want %d: %v %s", a.Status, status, a.Header, a.body)
	}
	return a
}

// told is what has reached the application.
func (a *answer) told(t *testing.T) (s told) {
	t.Helper()
	a.want(t, http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatalf("not from the application: %v\n%s", err, a.body)
	}
	return s
}

func (c credential) line() string { return c.header + ": " + c.value }
