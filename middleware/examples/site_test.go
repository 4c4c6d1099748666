// Package examples tests the examples as what they are: programs that run beside
// `sealring dev`.
package examples

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

// programs is the folder with the programs.
var programs string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	programs = dir
	for _, args := range [][]string{
		{"build", "-race", "-o", dir, "./shop", "./chat", "./dashboard"},
		{"build", "-C", "../..", "-o", dir, "./cmd/sealring"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			panic(string(out))
		}
	}
	return m.Run()
}

// site is `sealring dev` with examples beside it.
type site struct {
	Issuer       string
	Admin        string
	Data         string
	Username     string
	Password     string
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`

	dev  *process
	at   map[string]string   // the origin of each example
	runs map[string]*process // each example
}

// open starts a site that knows where examples will be, and none of them.
func open(t *testing.T, examples ...string) *site {
	t.Helper()
	s := &site{at: map[string]string{}, runs: map[string]*process{}}
	var origins []string
	for _, name := range examples {
		s.at[name] = "http://localhost:" + freePort(t)
		origins = append(origins, s.at[name])
	}
	s.dev = start(t, []string{"TMPDIR=" + t.TempDir()}, "sealring", "dev", "--json", "--app-origins", strings.Join(origins, ","),
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--demo-listen", "127.0.0.1:0")
	select {
	case line := <-s.dev.first:
		must(t, json.Unmarshal([]byte(line), s))
	case <-time.After(patience):
		t.Fatal("sealring dev does not start")
	}
	return s
}

// run starts examples, and waits until they answer.
func (s *site) run(t *testing.T, examples ...string) {
	t.Helper()
	for _, name := range examples {
		u, err := url.Parse(s.at[name])
		must(t, err)
		s.runs[name] = start(t, []string{"PORT=" + u.Port(), "SEALRING_ISSUER=" + s.Issuer,
			"SEALRING_CLIENT_ID=" + s.ClientID, "SEALRING_CLIENT_SECRET=" + s.ClientSecret,
			"GORACE=atexit_sleep_ms=0"}, name) // so that it ends when it has
		eventually(t, name+" answers", func() bool { return s.try(name) })
	}
}

// try reports whether an example answers, and knows the keys.
func (s *site) try(name string) bool {
	resp, err := http.Get(s.at[name] + "/")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode != http.StatusServiceUnavailable
}

// ready is a site with examples that run.
func ready(t *testing.T, examples ...string) *site {
	t.Helper()
	s := open(t, examples...)
	s.run(t, examples...)
	return s
}

// credential is a header line that says who asks.
type credential struct{ header, value string }

var nobody credential

// session is what a login has given: what a service takes, and what refreshes it.
type session struct {
	credential
	subject, token, refresh string
	left                    int // seconds, of the token
}

// browser logs in as a browser does.
func (s *site) browser(t *testing.T) session {
	t.Helper()
	a := s.login(t, "cookie")
	var cookie, refresh string
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Path == "/" {
			cookie = c.Name + "=" + c.Value
		} else {
			refresh = c.Name + "=" + c.Value
		}
	}
	in := a.granted(t)
	return session{credential{"Cookie", cookie}, in.Session.Subject, "", refresh, in.Session.Left}
}

// client logs in as a program does.
func (s *site) client(t *testing.T) session {
	t.Helper()
	return s.login(t, "token").granted(t).session()
}

// refreshed is a client's session with its next token.
func (s *site) refreshed(t *testing.T, old session) session {
	t.Helper()
	a := ask(t, "POST", s.Issuer+"/v1/refresh", nobody, `{"refresh_token":"`+old.refresh+`"}`)
	return a.granted(t).session()
}

// successive is a session with its first token, and with its next, which ends later:
// lives differ by up to a tenth, at random, and the one that ends first is no renewal.
func (s *site) successive(t *testing.T) (first, next session) {
	t.Helper()
	eventually(t, "a token ends later than the one before", func() bool {
		first = s.client(t)
		next = s.refreshed(t, first)
		return next.left > first.left
	})
	return first, next
}

// revoke revokes an access token alone (RFC 7009), and waits until an
// example has heard of it.
func (s *site) revoke(t *testing.T, example string, who session) {
	t.Helper()
	ask(t, "POST", s.Issuer+"/v1/revoke", nobody, url.Values{"token": {who.token}}.Encode()).want(t, http.StatusOK, "")
	eventually(t, "the token is refused", func() bool {
		return ask(t, "GET", s.at[example]+"/", who.credential, "").status == http.StatusUnauthorized
	})
}

// itself is the session of a service, which has no user, role or scope of one.
func (s *site) itself(t *testing.T) session {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {s.ClientSecret}}
	return ask(t, "POST", s.Issuer+"/v1/token", nobody, form.Encode()).granted(t).session()
}

func (s *site) login(t *testing.T, mode string) answer {
	t.Helper()
	said, err := json.Marshal(map[string]string{"username": s.Username, "password": s.Password, "mode": mode})
	must(t, err)
	return ask(t, "POST", s.Issuer+"/v1/login", nobody, string(said))
}

func (s *site) logout(t *testing.T, who session) {
	t.Helper()
	ask(t, "POST", s.Issuer+"/v1/logout", who.credential, "").want(t, http.StatusNoContent, "")
}

// grant is what the issuer answers with.
type grant struct {
	Token   string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session struct {
		Subject string
		Left    int `json:"expires_in"`
	}
}

func (a answer) granted(t *testing.T) (g grant) {
	t.Helper()
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &g) != nil {
		t.Fatalf("no session: %d %s", a.status, a.body)
	}
	return g
}

func (g grant) session() session {
	return session{credential{"Authorization", "Bearer " + g.Token}, g.Session.Subject, g.Token, g.Refresh, g.Session.Left}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// want demands a status and a part of the body.
func (a answer) want(t *testing.T, status int, part string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, part) {
		t.Fatalf("answer %d %s, want %d %s", a.status, a.body, status, part)
	}
}

// direct follows no redirect and keeps no connection, which would outlast a test.
var direct = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       patience,
}

// ask sends a request: JSON if its body looks like it, a form otherwise.
func ask(t *testing.T, method, to string, who credential, body string, more ...credential) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	must(t, err)
	for _, h := range append(more, who) {
		if h != nobody {
			r.Header.Set(h.header, h.value)
		}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := direct.Do(r)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// process is a running program.
type process struct {
	*exec.Cmd
	first  chan string // its first line of standard output
	stderr bytes.Buffer
	stdin  io.Closer
	ended  chan struct{}
}

// start runs a program until the test ends. It has to stop when it is told to, and
// without a data race.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(filepath.Join(programs, name), args...), first: make(chan string, 1), ended: make(chan struct{})}
	p.Env = append(os.Environ(), env...)
	p.Stderr = &p.stderr
	stdin, err := p.StdinPipe() // sealring's demo service ends with it
	must(t, err)
	p.stdin = stdin
	stdout, err := p.StdoutPipe()
	must(t, err)
	must(t, p.Start())
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		if lines.Scan() {
			p.first <- lines.Text()
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s says: %s", name, p.stderr.String())
		}
	})
	return p
}

// stop is Ctrl-C.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.Process.Kill()
		<-p.ended
		t.Errorf("%s does not stop", p.Path)
	}
	_ = p.stdin.Close()
	if state := p.ProcessState; state.ExitCode() > 0 {
		t.Errorf("%s ends with %v", p.Path, state)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

// eventually waits until ok, and says how long that took.
func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > patience {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
