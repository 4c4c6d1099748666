package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	url, port string
	app       *application
}

// newFront is all of it but the proxy: each recipe in its turn is at the same URL.
func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{site: newSite(t), port: freePort(t), app: newApplication(t)}
	f.url = "http://localhost:" + f.port
	f.issuer, f.args = f.url, []string{"--issuer", f.url}
	f.startAuth(t)
	return f
}

// behind is the front with a proxy, until the test ends.
func (f *front) behind(t *testing.T, r recipe) *front {
	t.Helper()
	g, dir := *f, t.TempDir()
	g.recipe = r
	for _, name := range r.files {
		g.install(t, dir, name)
	}
	startProxy(t, f.port, r.command(t, &g, dir)...)
	return &g
}

// install copies a file of the recipe, with the addresses of this run.
func (f *front) install(t *testing.T, dir, name string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", f.name, name))
	must(t, err)
	text := strings.NewReplacer(
		recipeAuth, "127.0.0.1:"+f.direct[strings.LastIndex(f.direct, ":")+1:],
		recipeApp, strings.TrimPrefix(f.app.URL, "http://"),
		recipeFront, f.port,
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

// startProxy waits until it listens.
func startProxy(t *testing.T, port string, args ...string) {
	t.Helper()
	name, cmd := args[0], exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s (make needs installs it): %v", name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", name)
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // and its workers
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", name, out.String())
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
			t.Fatalf("%s has ended:\n%s", name, out.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v\n%s", name, err, out.String())
		}
	}
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
