package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests of this file start the real program, as a process of its own for
// each service, and look at it from outside.

// program is where TestMain has put the program: a copy of this test binary
// that runs main, and so is under the race detector when the tests are.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sealring")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running sealring.
type process struct {
	*exec.Cmd
	lines  chan string // of its standard output
	stderr buffer
	ended  chan struct{} // closed once it has
}

func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startAs(t, nil, env, args...)
}

func startAs(t *testing.T, attr *syscall.SysProcAttr, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program(t), args...), lines: make(chan string, 100), ended: make(chan struct{})}
	p.Env = append(os.Environ(), env...)
	p.Cmd.Stderr, p.SysProcAttr = &p.stderr, attr
	stdin, err := p.StdinPipe() // held open: the demo service ends with it
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		_ = p.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		_ = stdin.Close()
		if t.Failed() {
			t.Logf("stderr of sealring %s:\n%s", args[0], p.stderr.String())
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// line is the next line of standard output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case l := <-p.lines:
		return l
	case <-p.ended:
		t.Fatalf("%v has ended:\n%s", p.Args, p.stderr.String())
	case <-time.After(patience):
		t.Fatalf("%v prints nothing", p.Args)
	}
	return ""
}

// interrupt is Ctrl-C; it returns the exit code.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%v does not end", p.Args)
	}
	return p.ProcessState.ExitCode()
}

// command runs the program to its end.
func command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sealring %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// client makes a connection for each request: the tests count those of the
// demo service and must not be fooled by their own.
var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   patience,
}

// credential is what one login gave: a bearer token or a session cookie.
type credential struct{ header, value string }

func (c credential) String() string { return c.header }

// logIn logs ann in, in one of the two modes.
func logIn(base, password, mode string) (credential, error) {
	body := fmt.Sprintf(`{"username":"ann","password":%q,"mode":%q}`, password, mode)
	resp, err := client.Post(base+"/v1/login", "application/json", strings.NewReader(body))
	if err != nil {
		return credential{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return credential{}, fmt.Errorf("login answers %s: %s (%v)", resp.Status, raw, err)
	}
	if mode == "cookie" {
		for _, c := range resp.Cookies() {
			if c.Name == "__Host-session" {
				return credential{"Cookie", c.Name + "=" + c.Value}, nil
			}
		}
		return credential{}, fmt.Errorf("no session cookie")
	}
	var got struct {
		Token string `json:"access_token"`
	}
	err = json.Unmarshal(raw, &got)
	return credential{"Authorization", "Bearer " + got.Token}, err
}

func mustLogIn(t *testing.T, base, password, mode string) credential {
	t.Helper()
	c, err := logIn(base, password, mode)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call sends a request with a credential and returns the status, 0 when
// nobody answers, and the body.
func call(method, url string, c credential) (int, string) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	if c.header != "" {
		req.Header.Set(c.header, c.value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func wantCall(t *testing.T, want int, method, url string, c credential) string {
	t.Helper()
	status, body := call(method, url, c)
	if status != want {
		t.Fatalf("%s %s with %v answers %d, want %d: %s", method, url, c, status, want, body)
	}
	return body
}

// within polls until the request answers as wanted.
func within(t *testing.T, limit time.Duration, want int, url string, c credential) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		status, body := call(http.MethodGet, url, c)
		if status == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v %s with %v answers %d, want %d: %s", limit, url, c, status, want, body)
		}
	}
}

// proxy is a TCP proxy that counts the connections it was asked for.
type proxy struct {
	net.Listener
	target   atomic.Value // string: where the next connection goes
	accepted atomic.Int32
	wg       sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l}
	p.target.Store(target)
	ctx, cancel := context.WithCancel(context.Background())
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			p.wg.Go(func() { p.carry(ctx, c) })
		}
	})
	t.Cleanup(func() { l.Close(); cancel(); p.wg.Wait() })
	return p
}

// carry copies both ways until either end closes.
func (p *proxy) carry(ctx context.Context, c net.Conn) {
	defer c.Close()
	target, err := net.Dial("tcp", p.target.Load().(string))
	if err != nil {
		return
	}
	defer target.Close()
	ctx, done := context.WithCancel(ctx)
	defer done()
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{c, target}, {target, c}} {
		wg.Go(func() { _, _ = io.Copy(pair[0], pair[1]); done() })
	}
	<-ctx.Done()
	c.Close()
	target.Close()
	wg.Wait()
}

// freePort is a port that was free a moment ago: for a service that is to be
// started again at the same one.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return portOf(l)
}

// running lists the processes of this machine with their parents, without
// those that have ended and only wait for somebody to ask how.
func running(t *testing.T) map[int]int {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		t.Fatalf("listing processes: %v", err)
	}
	parents := make(map[int]int)
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		var state string
		if _, err := fmt.Sscan(line, &pid, &parent, &state); err == nil && state[0] != 'Z' {
			parents[pid] = parent
		}
	}
	return parents
}

// childOf finds the demo service that dev has started.
func childOf(t *testing.T, dev int) int {
	t.Helper()
	for pid, parent := range running(t) {
		if parent == dev {
			return pid
		}
	}
	t.Fatalf("process %d has no child", dev)
	return 0
}

// gone waits until a process that is not ours to wait for has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, there := running(t)[pid]; !there {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}
