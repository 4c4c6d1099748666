package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

var anyPorts = []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--demo-listen", "127.0.0.1:0"}

// startDev starts `sealring dev --json`. Temporary folders go to tmp, so that
// the test sees whether they go away.
func startDev(t *testing.T, tmp string, args ...string) (*process, devRun) {
	t.Helper()
	return startDevIn(t, nil, tmp, args...)
}

func startDevIn(t *testing.T, attr *syscall.SysProcAttr, tmp string, args ...string) (*process, devRun) {
	t.Helper()
	p := startAs(t, attr, []string{"TMPDIR=" + tmp}, append(append([]string{"dev", "--json"}, anyPorts...), args...)...)
	var said devRun
	if err := json.Unmarshal([]byte(p.line(t)), &said); err != nil {
		t.Fatal(err)
	}
	return p, said
}

func TestDevIsEverythingOnOneMachine(t *testing.T) {
	tmp := t.TempDir()
	p, said := startDev(t, tmp)
	for name, url := range map[string]string{"issuer": said.Issuer, "admin": said.Admin, "demo": said.Demo} {
		if !regexp.MustCompile(`^http://(localhost|127\.0\.0\.1):[1-9]\d*$`).MatchString(url) {
			t.Errorf("%s is %q", name, url)
		}
	}
	wantCall(t, http.StatusOK, http.MethodGet, said.Admin+"/readyz", credential{})
	wantCall(t, http.StatusUnauthorized, http.MethodGet, said.Demo+"/", credential{})
	for _, mode := range []string{"token", "cookie"} {
		c := mustLogIn(t, said.Issuer, said.Password, mode)
		body := wantCall(t, http.StatusOK, http.MethodGet, said.Demo+"/", c)
		if !json.Valid([]byte(body)) || !strings.Contains(body, `"subject":`) {
			t.Errorf("the demo service answers %s", body)
		}
		ended := openStream(t, said.Demo+"/stream", c)
		wantCall(t, http.StatusNoContent, http.MethodPost, said.Issuer+"/v1/logout", c)
		within(t, time.Second, http.StatusUnauthorized, said.Demo+"/", c)
		select {
		case last := <-ended:
			if !strings.Contains(last, "revoked") {
				t.Errorf("the stream's last words are %q", last)
			}
		case <-time.After(time.Second):
			t.Error("the stream goes on after the logout")
		}
	}
	if info, err := os.Stat(said.Data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder: %v, %v", info, err)
	}
	child := childOf(t, p.Process.Pid)
	if code := p.interrupt(t); code != 0 || p.stderr.String() != "" {
		t.Errorf("ends with %d and says %q", code, p.stderr.String())
	}
	gone(t, child)
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if len(p.lines) != 0 {
		t.Errorf("it says more than its line of JSON: %q", <-p.lines)
	}
}

// What a browser does with what dev prints for it: the form, the redirect, and
// the cookies, which it sends to every port of a host.
func TestABrowserLogsInAndLandsAtTheDemoService(t *testing.T) {
	p := start(t, []string{"TMPDIR=" + t.TempDir()}, append([]string{"dev"}, anyPorts...)...)
	said := map[string]string{}
	for len(said) < 8 {
		if name, value, ok := strings.Cut(strings.TrimPrefix(p.line(t), "  "), " "); ok && name != "" {
			said[name] = strings.TrimSpace(value)
		}
	}
	login, _, _ := strings.Cut(said["browser"], " ")
	demo, _, _ := strings.Cut(said["demo"], " ")
	name, secret, _ := strings.Cut(said["user"], ", password ")
	wantCall(t, http.StatusOK, http.MethodGet, login, credential{})
	resp := submitForm(t, login, url.Values{"username": {name}, "password": {secret}}, credential{})
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != demo+"/" {
		t.Fatalf("%s to %q", resp.Status, to)
	}
	var cookies []string
	for _, c := range resp.Cookies() {
		if c.Path == "/" {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	session := credential{"Cookie", strings.Join(cookies, "; ")}
	if body := wantCall(t, http.StatusOK, http.MethodGet, demo+"/", session); !strings.Contains(body, `"subject":`) {
		t.Errorf("the demo service answers %s", body)
	}
	resp = submitForm(t, strings.TrimSuffix(login, "/login")+"/logout", url.Values{}, session)
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || !strings.HasSuffix(to, "/sessions-ended?reason=logout") {
		t.Errorf("%s to %q", resp.Status, to)
	}
	within(t, time.Second, http.StatusUnauthorized, demo+"/", session)
}

// submitForm does not follow where the answer leads.
func submitForm(t *testing.T, to string, form url.Values, c credential) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if c.header != "" {
		req.Header.Set(c.header, c.value)
	}
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// openStream reads a stream of events and delivers its last data line when it
// has ended.
func openStream(t *testing.T, url string, c credential) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(c.header, c.value)
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("stream: %v %v", resp, err)
	}
	ended := make(chan string, 1)
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "data: ") {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	go func() {
		defer resp.Body.Close()
		var last string
		for lines.Scan() {
			if lines.Text() != "" {
				last = lines.Text()
			}
		}
		ended <- last
	}()
	return ended
}

func TestTheDemoServiceEndsWithDevHoweverThatEnds(t *testing.T) {
	p, said := startDev(t, t.TempDir())
	child := childOf(t, p.Process.Pid)
	wantCall(t, http.StatusOK, http.MethodGet, said.Demo+"/readyz", credential{})
	p.kill() // kill -9
	gone(t, child)
}

func TestDevEndsWhenTheDemoServiceDoes(t *testing.T) {
	tmp := t.TempDir()
	p, _ := startDev(t, tmp)
	child, err := os.FindProcess(childOf(t, p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if code := p.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(p.stderr.String(), "the demo service has ended") {
		t.Errorf("ends with %d and says %q", code, p.stderr.String())
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A terminal sends Ctrl-C to everything that runs in it.
func TestCtrlCAtATerminalEndsDevCleanly(t *testing.T) {
	p, said := startDevIn(t, &syscall.SysProcAttr{Setpgid: true}, t.TempDir())
	child := childOf(t, p.Process.Pid)
	mustLogIn(t, said.Issuer, said.Password, "token")
	// The demo service must not hear of it: dev would take its end for a fault.
	if group, err := syscall.Getpgid(child); err != nil || group == p.Process.Pid {
		t.Errorf("the demo service is in dev's process group (%d, %v)", group, err)
	}
	if err := syscall.Kill(-p.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := p.ProcessState.ExitCode(); code != 0 || p.stderr.String() != "" {
		t.Errorf("ends with %d and says %q", code, p.stderr.String())
	}
	gone(t, child)
}

// When the auth service cannot go on, the demo service is not left behind.
func TestDevEndsWhenTheAuthServiceDoes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var out, errs buffer
	a := newApp(os.Environ(), strings.NewReader(""), &out, &errs)
	a.program = func() (string, error) { return program(t), nil }
	s := &a.settings
	flags := pflag.NewFlagSet("dev", pflag.ContinueOnError)
	if err := s.load(flags, map[string]string{"SEALRING_DATA": t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	s.Listen, s.AdminListen, s.DemoListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	public, admin, err := s.listenBoth()
	if err != nil {
		t.Fatal(err)
	}
	info := &devRun{Issuer: "http://localhost:" + portOf(public)}
	if err := s.listenDemo(info); err != nil {
		t.Fatal(err)
	}
	s.Issuer, s.Audiences = info.Issuer, []string{demoAudience}
	log := slog.New(slog.DiscardHandler)
	d, err := s.openDev(t.Context(), info, public, admin, log)
	if err != nil {
		t.Fatal(err)
	}
	public.Close()
	begin := time.Now()
	if err := a.runDev(t.Context(), d, info, true); err == nil || !strings.Contains(err.Error(), "serving") {
		t.Errorf("it ends with %v", err)
	}
	if took := time.Since(begin); took > childStart/2 {
		t.Errorf("it takes %v: it has waited for a demo service that can never be ready", took)
	}
	if out.String() != "" {
		t.Errorf("it says that it is up: %s", out.String())
	}
}

func TestDevGoesOnInAFolderThatIsKept(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p, first := startDev(t, t.TempDir(), "--data", data)
	if first.Data != data {
		t.Errorf("data is %q", first.Data)
	}
	keysBefore, usersBefore := currentKeys(t, data), command(t, "", "users", "list", "--data", data)
	old := mustLogIn(t, first.Issuer, first.Password, "token")
	wantCall(t, http.StatusOK, http.MethodGet, first.Demo+"/", old)
	if code := p.interrupt(t); code != 0 {
		t.Fatalf("ends with %d", code)
	}
	_, second := startDev(t, t.TempDir(), "--data", data)
	if second.Password == first.Password || second.ClientSecret == first.ClientSecret {
		t.Error("the password or the secret is the same again: it must have been written down")
	}
	if _, err := logIn(second.Issuer, first.Password, "token"); err == nil {
		t.Error("the first run's password is still good")
	}
	wantCall(t, http.StatusOK, http.MethodGet, second.Demo+"/", mustLogIn(t, second.Issuer, second.Password, "token"))
	if fmt.Sprint(currentKeys(t, data)) != fmt.Sprint(keysBefore) || command(t, "", "users", "list", "--data", data) != usersBefore {
		t.Error("keys or users are others than before")
	}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), second.Password) || strings.Contains(string(raw), second.ClientSecret) {
			t.Errorf("%s holds a password or secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestASecondDevInAFolderInUseLeavesTheFirstAlone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, said := startDev(t, t.TempDir(), "--data", data)
	second := start(t, []string{"TMPDIR=" + t.TempDir()}, append(append([]string{"dev"}, anyPorts...), "--data", data)...)
	select {
	case <-second.ended:
	case <-time.After(patience):
		t.Fatal("it starts all the same")
	}
	if code := second.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(second.stderr.String(), "opening store") {
		t.Errorf("ends with %d and says %q", code, second.stderr.String())
	}
	mustLogIn(t, said.Issuer, said.Password, "token")
	req, err := http.NewRequest(http.MethodGet, said.Issuer+"/v1/session-keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(said.ClientID, said.ClientSecret)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("the client's secret is answered %s", resp.Status)
	}
}

func TestATakenPortIsNamedWithItsFlag(t *testing.T) {
	_, said := startDev(t, t.TempDir())
	for flag, url := range map[string]string{"--listen": said.Issuer, "--admin-listen": said.Admin, "--demo-listen": said.Demo} {
		port := url[strings.LastIndex(url, ":"):]
		args := append(append([]string{"dev"}, anyPorts...), flag, "127.0.0.1"+port)
		p := start(t, []string{"TMPDIR=" + t.TempDir()}, args...)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatalf("%s: it starts all the same", flag)
		}
		want := "address already in use; choose another address with " + flag
		if p.ProcessState.ExitCode() != exitFailed || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s: ends with %d and says %q", flag, p.ProcessState.ExitCode(), p.stderr.String())
		}
	}
}

// Every line that dev prints for pasting is pasted here, and must print what
// the text beside it says.
func TestTheTourIsTrue(t *testing.T) {
	p := start(t, []string{"TMPDIR=" + t.TempDir()}, append([]string{"dev"}, anyPorts...)...)
	var script strings.Builder
	var want []string
	for line := p.line(t); line != `rm "$JAR"`; line = p.line(t) {
		switch said, isPromise := strings.CutPrefix(line, "# prints "); {
		case isPromise:
			want = append(want, said)
		case strings.HasPrefix(line, "#") || script.Len() > 0:
			script.WriteString(line + "\n")
		}
	}
	cmd := exec.Command("sh", "-eu")
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script.String(), out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(got) != len(want) || len(want) != 7 {
		t.Fatalf("%d lines are printed and %d are promised:\n%s", len(got), len(want), out)
	}
	for i := range want {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want[i]), "…", ".*") + "$"
		if !regexp.MustCompile(pattern).MatchString(got[i]) {
			t.Errorf("line %d prints %s, the text says %s", i+1, got[i], want[i])
		}
	}
}
