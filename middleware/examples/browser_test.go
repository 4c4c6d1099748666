package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A browser is led to the login and back, its connections go on with each refresh,
// and whoever is logged out, here or by an operator, sees why in every tab.
func TestABrowserAtTheChatAndTheDashboard(t *testing.T) {
	s := ready(t, "chat", "dashboard")
	var seen struct {
		Steps      map[string][]string
		Said       string
		Renewed    []int
		Complaints []string
	}
	browse(t, map[string]any{
		"chat": s.at["chat"], "dashboard": s.at["dashboard"], "username": s.Username, "password": s.Password,
		"revoke": []string{filepath.Join(programs, "sealring"), "revoke", "--all", "--data", s.Data, "--admin-url", s.Admin},
	}, &seen)

	chat, dashboard := s.at["chat"]+"/", s.at["dashboard"]+"/"
	login, ended := s.Issuer+"/login to ", s.Issuer+"/sessions-ended to "
	for step, want := range map[string][]string{
		"led":        {login + chat + "?room=1"},
		"arrived":    {chat + "?room=1"},
		"both":       {chat + "?room=1", dashboard},
		"signed out": {ended + chat + "?room=1", ended + dashboard},
		"back":       {chat, dashboard},
		"revoked":    {ended + chat, ended + dashboard},
	} {
		var at []string
		for _, page := range seen.Steps[step] {
			where, _ := wayOf(t, page)
			at = append(at, where)
		}
		if !reflect.DeepEqual(at, want) {
			t.Errorf("%s: at %q, want %q", step, at, want)
		}
	}
	// The page that signs out knows why. Of two origins only the first that asks is
	// told why the session was ended, for then the cookie is gone.
	if _, why := wayOf(t, seen.Steps["signed out"][0]); why != "logout" {
		t.Errorf("signed out because of %q", why)
	}
	_, why := wayOf(t, seen.Steps["revoked"][0])
	if _, other := wayOf(t, seen.Steps["revoked"][1]); why != "revoked" && other != "revoked" {
		t.Errorf("ended because of %q and %q", why, other)
	}
	if seen.Said != "you: hello" || !reflect.DeepEqual(seen.Renewed, []int{204, 204}) || len(seen.Complaints) > 0 {
		t.Errorf("it hears %q, its connections are renewed with %v, it complains of %q", seen.Said, seen.Renewed, seen.Complaints)
	}
}

// wayOf takes a page of the issuer apart: where it is and where it leads back to, and
// the reason that it gives.
func wayOf(t *testing.T, page string) (where, reason string) {
	t.Helper()
	u, err := url.Parse(page)
	must(t, err)
	q := u.Query()
	if !q.Has("return_to") {
		return page, ""
	}
	u.RawQuery = ""
	return u.String() + " to " + q.Get("return_to"), q.Get("reason")
}

// browse runs testdata/pages.mjs, with what the tests of the issuer's pages use too.
func browse(t *testing.T, in, seen any) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("../../authsvc/testdata/browser")))
	must(t, os.CopyFS(dir, os.DirFS("testdata")))
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, out)
	}
	input, err := json.Marshal(in)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "pages.mjs")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // on which it ends the browser
	cmd.WaitDelay = 10 * time.Second
	var problem strings.Builder
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(input), &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problem.String())
	}
	must(t, json.Unmarshal(out, seen))
}
