package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// site is an auth service as in production, in a data folder of its own, and
// the demo service beside it, which reaches it only through a counting proxy.
type site struct {
	t             *testing.T // whose end is the end of the processes
	data, config  string
	args          []string // of serve, beside the configuration
	direct, admin string   // URLs of the auth service, past the proxy
	proxy         *proxy
	issuer        string // URL of the proxy
	secret        string // of the service client
	auth, demo    *process
	demoURL       string
	feed          string // URL of the relay that the demo service follows; empty: none
	relayClient   string // secret of the relays' client
}

const sitePassword = "correct horse battery"

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, data: filepath.Join(dir, "data")}
	public, admin := freePort(t), freePort(t)
	s.direct, s.admin = "http://localhost:"+public, "http://127.0.0.1:"+admin
	s.proxy = newProxy(t, "127.0.0.1:"+public)
	s.issuer = "http://localhost:" + portOf(s.proxy)

	command(t, "", "keys", "init", "--data", s.data)
	command(t, sitePassword+"\n", "users", "add", "ann", "--data", s.data)
	var made clientSecretView
	out := command(t, "", "clients", "add", "demo", "--scope", "feed", "--scope", "session-keys", "-o", "json", "--data", s.data)
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	s.secret = made.Secret
	s.config = filepath.Join(dir, "sealring.yaml")
	text := fmt.Sprintf("issuer: %s\naudiences: [demo]\ndata: %s\nlisten: 127.0.0.1:%s\nadmin_listen: 127.0.0.1:%s\n",
		s.issuer, s.data, public, admin)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) startAuth(t *testing.T) {
	t.Helper()
	s.auth = start(s.t, nil, append([]string{"serve", "--config", s.config}, s.args...)...)
	within(t, patience, http.StatusOK, s.admin+"/readyz", credential{})
}

func (s *site) startDemo(t *testing.T) {
	t.Helper()
	s.demo = start(s.t, []string{"SEALRING_CLIENT_ID=demo", "SEALRING_CLIENT_SECRET=" + s.secret},
		"demo", "--issuer", s.issuer, "--feed", s.feed, "--listen", "127.0.0.1:0")
	s.demoURL = s.demo.line(t)
}

func (s *site) demoReady(t *testing.T) {
	t.Helper()
	within(t, patience, http.StatusOK, s.demoURL+"/readyz", credential{})
}

// The whole promise, in one run: a token and a cookie verify without a
// look-up, end everywhere within a second, and stay ended.
func TestATokenThatStopsWorkingEverywhere(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	s.startDemo(t)
	s.demoReady(t)

	for _, mode := range []string{"token", "cookie"} {
		c := mustLogIn(t, s.direct, sitePassword, mode)
		for range 20 {
			wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", c)
		}
		wantCall(t, http.StatusNoContent, http.MethodPost, s.direct+"/v1/logout", c)
		within(t, time.Second, http.StatusUnauthorized, s.demoURL+"/", c)
	}
	if n := s.proxy.accepted.Load(); n != 1 {
		t.Errorf("the demo service has opened %d connections to the issuer, want the feed's alone", n)
	}
	checkSockets(t, s.demo.Process.Pid, portOf(s.proxy), s.demoURL)

	t.Run("a revocation survives kill -9 of the auth service", s.survivesKill)
	t.Run("the demo service goes on while the auth service is down", s.goesOn)
	t.Run("an interrupt ends both cleanly", func(t *testing.T) {
		if code := s.auth.interrupt(t); code != 0 {
			t.Errorf("serve ends with %d:\n%s", code, s.auth.stderr.String())
		}
		if code := s.demo.interrupt(t); code != 0 {
			t.Errorf("demo ends with %d:\n%s", code, s.demo.stderr.String())
		}
	})
}

func (s *site) survivesKill(t *testing.T) {
	revoked := mustLogIn(t, s.direct, sitePassword, "token")
	good := mustLogIn(t, s.direct, sitePassword, "token")
	wantCall(t, http.StatusNoContent, http.MethodPost, s.direct+"/v1/logout", revoked)
	s.auth.kill()
	s.startAuth(t)
	wantCall(t, http.StatusUnauthorized, http.MethodGet, s.direct+"/v1/session", revoked)
	wantCall(t, http.StatusOK, http.MethodGet, s.direct+"/v1/session", good)
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", good)

	// The demo service finds the feed again by itself. The kill may have come
	// before the revocation was sent; in any case it arrives now,
	within(t, patience, http.StatusUnauthorized, s.demoURL+"/", revoked)
	// and so does what is revoked from now on.
	wantCall(t, http.StatusNoContent, http.MethodPost, s.direct+"/v1/logout", good)
	within(t, patience, http.StatusUnauthorized, s.demoURL+"/", good)
	// And one that starts only now hears of everything.
	fresh := *s
	fresh.startDemo(t)
	fresh.demoReady(t)
	wantCall(t, http.StatusUnauthorized, http.MethodGet, fresh.demoURL+"/", revoked)
}

func (s *site) goesOn(t *testing.T) {
	token := mustLogIn(t, s.direct, sitePassword, "token")
	cookie := mustLogIn(t, s.direct, sitePassword, "cookie")
	s.auth.kill()
	for range 20 {
		wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", token)
		wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", cookie)
	}
	wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/readyz", credential{})
	wantCall(t, http.StatusUnauthorized, http.MethodGet, s.demoURL+"/", credential{"Authorization", "Bearer garbage"})
	s.startAuth(t)
}

func TestAServiceThatStartsBeforeTheIssuerSaysSoAndRecovers(t *testing.T) {
	s := newSite(t)
	s.startDemo(t)
	wantCall(t, http.StatusServiceUnavailable, http.MethodGet, s.demoURL+"/readyz", credential{})
	wantCall(t, http.StatusUnauthorized, http.MethodGet, s.demoURL+"/", credential{}) // no credential is no credential
	s.startAuth(t)
	token := mustLogIn(t, s.direct, sitePassword, "token")
	// A well-formed token cannot be judged yet, or already is: never a 401.
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		status, body := call(http.MethodGet, s.demoURL+"/", token)
		if status == http.StatusOK {
			break
		}
		if status != http.StatusServiceUnavailable || time.Now().After(end) {
			t.Fatalf("answers %d: %s", status, body)
		}
	}
	s.demoReady(t)
}

func TestServeWarnsWhenOthersReachTheAdminAPI(t *testing.T) {
	s := newSite(t)
	for address, want := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": false} {
		p := start(t, nil, "serve", "--config", s.config, "--admin-listen", address)
		for end := time.Now().Add(patience); !strings.Contains(p.stderr.String(), "msg=serving"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: it does not start", address)
			}
		}
		if got := strings.Contains(p.stderr.String(), "the admin token travels in clear"); got != want {
			t.Errorf("%s: warned %v, want %v:\n%s", address, got, want, p.stderr.String())
		}
		p.interrupt(t)
	}
}

// A credential of any length is refused in the one form, and not by net/http.
func TestAMegabyteOfDotsIsAProblemDocument(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	s.startDemo(t)
	s.demoReady(t)
	dots := strings.Repeat(".", 1<<20)
	for _, c := range []credential{{"Authorization", "Bearer " + dots}, {"Cookie", "__Host-session=" + dots}} {
		for _, url := range []string{s.direct + "/v1/session", s.direct + "/v1/verify", s.demoURL + "/", s.demoURL + "/stream"} {
			req, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(c.header, c.value)
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("%s in %v: %v", url, c, err)
				continue
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s in %v: %s, %s", url, c, resp.Status, resp.Header.Get("Content-Type"))
			}
		}
	}
}

// When the command returns, what the key made is refused: it has asked.
func TestWhatARevokedKeyMadeIsRefusedOnceTheCommandReturns(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	s.startDemo(t)
	s.demoReady(t)
	for _, c := range []struct{ mode, use string }{{"token", "at"}, {"cookie", "cookie"}} {
		made := mustLogIn(t, s.direct, sitePassword, c.mode)
		wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", made)
		kid := currentKeys(t, s.data)[c.use]
		var said revokedView
		out := command(t, "", "keys", "revoke", "--config", s.config, "-o", "json", "--timeout", patience.String(), "--", kid)
		returned := time.Now()
		wantCall(t, http.StatusUnauthorized, http.MethodGet, s.demoURL+"/", made)
		refused := time.Since(returned)
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			t.Fatal(err)
		}
		if f := said.InForce; f == nil || !f.Confirmed || f.Verifiers != 1 || f.Services != 1 {
			t.Errorf("it says: %s", out)
		} else {
			t.Logf("%s: confirmed %d ms after the ring was written; the demo service answered 401 %v after the command returned", c.mode, f.AfterMs, refused.Round(time.Millisecond))
		}
		wantCall(t, http.StatusOK, http.MethodGet, s.demoURL+"/", mustLogIn(t, s.direct, sitePassword, c.mode)) // by the standby
	}
}

// A ring that the running service can not open is told where operators look,
// and takes no replica away.
func TestARefusedRingShowsAtReadyz(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	ring := filepath.Join(s.data, ringFile)
	good, err := os.ReadFile(ring) // with the first blocks of seals, which the service takes when it starts
	must(t, err)
	next := filepath.Join(t.TempDir(), "new.key")
	must(t, os.WriteFile(next, []byte(ringfile.NewMasterKey().Reveal()), 0o600))
	for _, c := range []struct {
		name, says string
		harm       func()
	}{
		{"sealed under a master key that it was not given", "another master key", func() {
			command(t, "", "keys", "rewrap", "--config", s.config, "--new-master-key-file", next)
			command(t, "", "keys", "rotate", "--use", "sig", "--config", s.config)
		}},
		{"cut off", "damaged", func() { must(t, os.WriteFile(ring, good[:len(good)/2], 0o600)) }},
		{"gone", "no such file", func() { must(t, os.Remove(ring)) }},
	} {
		c.harm()
		saysSoon(t, s.admin+"/readyz", func(body string) bool {
			return strings.Contains(body, `{"status":"degraded","warnings":[{"code":"ring-stale","detail":"generation 3 of the key ring is in use`) && strings.Contains(body, c.says)
		})
		mustLogIn(t, s.direct, sitePassword, "token")
	}
	must(t, os.WriteFile(filepath.Join(s.data, seenFile), []byte("3"), 0o600)) // on purpose: back to what was there
	must(t, os.WriteFile(ring, good, 0o600))
	saysSoon(t, s.admin+"/readyz", func(body string) bool { return strings.TrimSpace(body) == `{"status":"ok"}` })
}

// What a process has taken of a key's seals stays counted when it is killed.
func TestSealsStayCountedWhenTheServiceIsKilled(t *testing.T) {
	s := newSite(t)
	counts := func() map[string]uint64 {
		t.Helper()
		var list []keyView
		if err := json.Unmarshal([]byte(command(t, "", "keys", "list", "--data", s.data, "-o", "json")), &list); err != nil {
			t.Fatal(err)
		}
		all := map[string]uint64{}
		for _, k := range list {
			if k.State == keys.Signing {
				all[string(k.Purpose)] = k.Seals
			}
		}
		return all
	}
	before := counts()
	for n := range 3 {
		if n > 0 {
			s.auth.kill()
		}
		s.startAuth(t)
		mustLogIn(t, s.direct, sitePassword, "cookie")
		got := counts()
		if got["cookie"] <= before["cookie"] || got["rt"] != got["cookie"] || got["at"] != 0 || got["feed"] != 0 {
			t.Errorf("started %d times: %v after %v", n+1, got, before)
		}
		before = got
	}
	command(t, "", "keys", "rotate", "--use", "enc", "--config", s.config)
	if got := counts(); got["cookie"] > 1<<20 {
		t.Errorf("after a rotation: %v", got)
	}
	mustLogIn(t, s.direct, sitePassword, "cookie")
}

// saysSoon polls until the answer, a 200 all the while, is as wanted.
func saysSoon(t *testing.T, url string, wanted func(string) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		body := wantCall(t, http.StatusOK, http.MethodGet, url, credential{})
		if wanted(body) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s still answers %s", url, body)
		}
	}
}

// Requests of every kind go on while the keys turn: none may be refused.
func TestARotationRefusesNoValidRequest(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	s.startDemo(t)
	s.demoReady(t)
	before := currentKeys(t, s.data)

	var requests, refused atomic.Int32
	stop := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(work func() string) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				requests.Add(1)
				if fault := work(); fault != "" {
					refused.Add(1)
					t.Error(fault)
				}
			}
		})
	}
	for _, mode := range []string{"token", "cookie"} {
		old := mustLogIn(t, s.direct, sitePassword, mode) // from before the rotation, used all along
		loop(func() string {
			if status, body := call(http.MethodGet, s.demoURL+"/", old); status != http.StatusOK {
				return fmt.Sprintf("an old %s is answered %d: %s", mode, status, body)
			}
			return ""
		})
		loop(func() string { // and fresh ones, at the service and at the issuer
			fresh, err := logIn(s.direct, sitePassword, mode)
			if err != nil {
				return err.Error()
			}
			for _, url := range []string{s.demoURL + "/", s.direct + "/v1/session"} {
				if status, body := call(http.MethodGet, url, fresh); status != http.StatusOK {
					return fmt.Sprintf("a fresh %s is answered %d at %s: %s", mode, status, url, body)
				}
			}
			return ""
		})
	}
	for _, use := range []string{"sig", "enc", "sig", "enc"} { // the second time a new standby is published
		seen := requests.Load()
		command(t, "", "keys", "rotate", "--use", use, "--config", s.config)
		for end := time.Now().Add(patience); requests.Load() < seen+100 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	if n := requests.Load(); refused.Load() != 0 || n < 400 {
		t.Errorf("%d of %d requests were refused", refused.Load(), n)
	}
	for use, kid := range currentKeys(t, s.data) {
		if before[use] == kid {
			t.Errorf("the %s key is the same after the rotation", use)
		}
	}
	token := mustLogIn(t, s.direct, sitePassword, "token")
	in := command(t, strings.TrimPrefix(token.value, "Bearer "), "token", "inspect", "-")
	if !strings.Contains(in, currentKeys(t, s.data)["at"]) {
		t.Errorf("the service does not sign with the new key:\n%s", in)
	}
}

// currentKeys are the kids of the signing keys, by purpose.
func currentKeys(t *testing.T, data string) map[string]string {
	t.Helper()
	var list []keyView
	if err := json.Unmarshal([]byte(command(t, "", "keys", "list", "--data", data, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	signing := make(map[string]string)
	for _, k := range list {
		if k.State == "signing" {
			signing[string(k.Purpose)] = k.ID
		}
	}
	return signing
}

// checkSockets looks at the process from outside (Linux): besides its own
// listener and who called it, it holds one connection, to the proxy.
func checkSockets(t *testing.T, pid int, proxyPort, own string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Logf("no /proc here: the proxy's count must do")
		return
	}
	mine := make(map[string]bool) // inodes of its sockets
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
			mine[strings.Trim(to, "socket:[]")] = true
		}
	}
	_, ownPort, _ := net.SplitHostPort(strings.TrimPrefix(own, "http://"))
	var peers []string
	for _, family := range []string{"tcp", "tcp6"} {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, family))
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) < 10 || !mine[f[9]] || f[3] == "0A" || hexPort(f[1]) == ownPort {
				continue
			}
			peers = append(peers, hexPort(f[2]))
		}
	}
	if len(peers) != 1 || peers[0] != proxyPort {
		t.Errorf("the demo service holds connections to the ports %v, want only one to %s", peers, proxyPort)
	}
}

// hexPort is the port of an address like 0100007F:1F90.
func hexPort(address string) string {
	_, port, _ := strings.Cut(address, ":")
	n, _ := strconv.ParseUint(port, 16, 16)
	return strconv.FormatUint(n, 10)
}
