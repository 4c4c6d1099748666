package authsvc_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// visited is what a browser has seen at one step.
type visited struct {
	URL    string
	Status int
	Title  string
	Told   []string // to a screen reader: role, name and value; * has the focus
}

// Debian's Chromium, without a script and without a mouse. SEALRING_SHOTS names a
// folder for pictures of each page: on a desktop and on phones, light and dark.
func TestSomebodyLogsInByKeyboardWithoutAScript(t *testing.T) {
	app := listen(t)
	origin := localhost(app)
	w := newWorld(t, func(c *authsvc.Config) {
		c.Issuer, c.AppOrigins = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1), []string{origin}
	})
	shop := serve(app, w.shop(t))
	t.Cleanup(func() { _ = shop.Close() })
	issuer := strings.Replace(w.issuer, "127.0.0.1", "localhost", 1)

	var seen struct {
		Steps                     map[string]visited
		Complaints, Foreign, Wide []string
	}
	browse(t, "login.mjs", map[string]string{"login": issuer + "/login?return_to=" + origin + "/"}, &seen)
	// One for the 401 of the wrong password.
	if len(seen.Complaints) != 1 || !strings.Contains(seen.Complaints[0], "401") || len(seen.Foreign) > 0 || len(seen.Wide) > 0 {
		t.Errorf("the browser complains of %q, asks for %q, scrolls aside on %q", seen.Complaints, seen.Foreign, seen.Wide)
	}
	for name, want := range map[string]struct {
		url    string
		status int
		told   []string
	}{
		"login":   {"", 200, []string{"heading Sign in", "*textbox User name", "textbox Password", "button Sign in"}},
		"wrong":   {issuer + "/login", 401, []string{"alert ", "textbox User name = ann invalid", "*textbox Password invalid"}},
		"arrived": {origin + "/cart", 200, []string{"StaticText Logged in."}},
		"again":   {"", 200, []string{"StaticText You are signed in.", "link Continue", "button Sign out"}},
		"out":     {issuer + "/sessions-ended?reason=logout", 200, []string{"heading You are signed out", "link Sign in again"}},
		"ended":   {"", 200, []string{"heading Your session was ended to protect you", "link Sign in again"}},
	} {
		step := seen.Steps[name]
		if step.URL != cmp.Or(want.url, step.URL) || step.Status != want.status || step.Title == "" && name != "arrived" {
			t.Errorf("%s: %+v", name, step)
		}
		for _, line := range want.told {
			if !slices.ContainsFunc(step.Told, func(s string) bool { return strings.HasPrefix(s, line) }) {
				t.Errorf("%s: nobody is told of %q: %q", name, line, step.Told)
			}
		}
	}
}

// browse runs one of the programs that use a browser. It reads in, with the
// password and the folder for pictures, and writes what it has seen.
func browse(t *testing.T, program string, in map[string]string, seen any) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("testdata/browser")))
	must(t, os.CopyFS(filepath.Join(dir, "sessionjs"), os.DirFS("testdata/sessionjs")))
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, out)
	}
	in["password"], in["shots"] = password, os.Getenv("SEALRING_SHOTS")
	input, err := json.Marshal(in)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", program)
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

// localhost is the origin of a listener under the one name that gets Secure
// cookies without TLS.
func localhost(l net.Listener) string {
	return "http://localhost" + l.Addr().String()[strings.LastIndex(l.Addr().String(), ":"):]
}

// shop is an application that takes the cookie at the service's word, and leads
// on once more within its own origin.
func (w *world) shop(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.RedirectHandler("/cart", http.StatusFound))
	mux.HandleFunc("GET /cart", func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(w.get("/v1/verify", header("Cookie", r.Header.Get("Cookie"))).status)
		_, _ = rw.Write([]byte("<!doctype html><p>Logged in."))
	})
	return mux
}
