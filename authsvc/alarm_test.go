package authsvc_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// alarms are the log lines with this message.
func (w *world) alarms(name string) (all []map[string]any) {
	w.t.Helper()
	for line := range strings.Lines(w.logged.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		if entry["msg"] == name {
			all = append(all, entry)
		}
	}
	return all
}

func like(got map[string]any, want map[string]any) bool {
	for k, v := range want {
		if got[k] != v {
			return false
		}
	}
	return true
}

func from(agent, forwarded string) option {
	return func(r *http.Request) {
		r.Header.Set("User-Agent", agent)
		r.Header.Set("X-Forwarded-For", forwarded)
	}
}

func behindAProxy(c *authsvc.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
}

func TestATheftIsReportedWithWhoWhenAndWhy(t *testing.T) {
	w := outageWorld(t, behindAProxy)
	sid := tokens.NewID()
	first := w.aged(sid, 0, time.Minute)
	w.refresh(first).want(t, 200, "")
	time.Sleep(pastGrace) // late is what this is about
	w.refresh(first, from("curl/8\u2028"+strings.Repeat("x", 500), "203.0.113.9"), header("X-Request-Id", "theft-1")).want(t, 401, "session-ended")
	all := w.alarms("refresh.theft")
	want := map[string]any{"level": "WARN", "sid": sid.String(), "sub": "u-ann", "client_id": "login", "generation": 0.0, "newest": 1.0,
		"row": 6.0, "addr": "203.0.113.9", "agent": "curl/8" + strings.Repeat("x", 154), "request_id": "theft-1"}
	if len(all) != 1 || !like(all[0], want) || all[0]["at"] == nil {
		t.Errorf("reported %v, want %v", all, want)
	}
	w.refresh(first).want(t, 401, "session-ended") // revoked by now, which is no second theft
	if len(w.alarms("refresh.theft")) != 1 {
		t.Error("one theft was reported twice")
	}
}

func TestATheftFoundAfterwardsIsReportedWithWhoShowedTheToken(t *testing.T) {
	w := outageWorld(t, behindAProxy)
	stolen := w.aged(tokens.NewID(), 0, time.Minute)
	w.elsewhere(stolen)
	time.Sleep(pastGrace) // late is what this is about
	w.store.fault.Store(true)
	w.refresh(stolen, from("thief/1", "203.0.113.9")).want(t, 200, "")
	w.store.fault.Store(false)
	w.eventually("it is reported", func() bool {
		all := w.alarms("refresh.theft")
		return len(all) == 1 && all[0]["granted"] != nil && like(all[0], map[string]any{"addr": "203.0.113.9", "agent": "thief/1", "row": 3.0, "newest": 1.0})
	})
}

func TestATokenShownFromASecondPlaceIsReportedAndServed(t *testing.T) {
	for name, c := range map[string]struct {
		again []option
		want  int // reports
	}{
		"the same program at the same address":       {[]option{from("tab/1", "203.0.113.9")}, 0},
		"the same, through another hop of ours":      {[]option{from("tab/1", "203.0.113.9, 192.0.2.7")}, 0},
		"another address":                            {[]option{from("tab/1", "203.0.113.10")}, 1},
		"another program":                            {[]option{from("curl/8", "203.0.113.9")}, 1},
		"another address, behind one that it claims": {[]option{from("tab/1", "203.0.113.9, 203.0.113.10")}, 1},
		"many others": {[]option{from("a", ""), from("b", ""), from("c", ""), from("d", ""), from("e", ""), from("f", ""),
			from("g", ""), from("h", ""), from("i", "")}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, behindAProxy)
			w.adopt = true
			first := w.login().str(t, "refresh_token")
			w.refresh(first, from("tab/1", "203.0.113.9")).want(t, 200, "")
			for _, o := range c.again {
				w.refresh(first, o).want(t, 200, "")
			}
			all := w.alarms("refresh.divergent")
			if len(all) != c.want {
				t.Fatalf("reported %v", all)
			}
			for i, a := range all {
				if !like(a, map[string]any{"sub": "u-ann", "first_addr": "203.0.113.9", "first_agent": "tab/1", "verdict": "same", "times": float64(int(1) << i)}) {
					t.Errorf("reported %v", a)
				}
			}
		})
	}
}

// Without trusted proxies nobody can choose the address that is reported.
func TestAnAddressThatAnybodyCouldWriteIsNotReported(t *testing.T) {
	w := newWorld(t)
	first := w.login().str(t, "refresh_token")
	w.refresh(first, from("a", "203.0.113.9"), header("X-Forwarded-For", "203.0.113.9")).want(t, 200, "")
	w.refresh(first, from("b", "203.0.113.10")).want(t, 200, "")
	if all := w.alarms("refresh.divergent"); len(all) != 1 || !like(all[0], map[string]any{"addr": "127.0.0.1", "first_addr": "127.0.0.1"}) {
		t.Errorf("reported %v", all)
	}
}

func TestNoTokenStandsInALogLine(t *testing.T) {
	w := outageWorld(t)
	cookie := w.loginCookie()
	var first string
	var second answer
	for len(w.alarms("refresh.divergent")) == 0 { // unless the grace was over before the second came
		first = w.aged(tokens.NewID(), 0, time.Minute)
		second = w.refresh(first, from("a", "")).want(t, 200, "")
		w.refresh(first, from("b", ""))
	}
	time.Sleep(pastGrace) // late is what this is about
	w.refresh(first).want(t, 401, "session-ended")
	w.get("/v1/session", withCookies(cookie.cookies...))
	secrets := []string{first, second.str(t, "refresh_token"), second.str(t, "access_token"), password, adminToken}
	for _, c := range cookie.cookies {
		secrets = append(secrets, c.Value)
	}
	logged := w.logged.String()
	if len(w.alarms("refresh.theft")) == 0 {
		t.Fatalf("nothing to look at: %s", logged)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(logged, secret[len(secret)/2:]) {
			t.Errorf("%.8s… stands in %s", secret, logged)
		}
	}
}

func TestASessionThatMovesBetweenRefreshesIsNotReported(t *testing.T) {
	w := outageWorld(t, behindAProxy)
	first := w.aged(tokens.NewID(), 0, time.Minute)
	second := w.refresh(first, from("phone/1", "203.0.113.9")).want(t, 200, "").str(t, "refresh_token")
	time.Sleep(pastGrace) // so that the next is an advance
	w.refresh(second, from("phone/1", "198.51.100.1")).want(t, 200, "")
	if all := w.alarms("refresh.divergent"); len(all) != 0 {
		t.Errorf("reported %v", all)
	}
}
