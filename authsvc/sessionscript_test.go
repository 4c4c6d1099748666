package authsvc_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheScriptIsServedToBeKept(t *testing.T) {
	w := newWorld(t)
	a := w.get("/session.js").want(t, 200, "")
	if a.header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.header.Get("Cache-Control") != "public, max-age=3600" ||
		a.header.Get("Cross-Origin-Resource-Policy") != "same-site" {
		t.Errorf("%v", a.header)
	}
	again := w.get("/session.js", header("If-None-Match", a.header.Get("ETag")))
	if again.status != 304 || len(again.body) != 0 {
		t.Errorf("%d, %d bytes", again.status, len(again.body))
	}
}

// A strict policy allows none of these.
func TestTheScriptNeedsNothingThatAStrictPolicyForbids(t *testing.T) {
	w := newWorld(t)
	script := string(w.get("/session.js").want(t, 200, "").body)
	for _, word := range []string{"eval(", "Function(", "innerHTML", "insertAdjacentHTML", "document.write", `setAttribute("style"`, "import("} {
		if strings.Contains(script, word) {
			t.Errorf("it uses %s", word)
		}
	}
}

// The script as it is served, in Node, under a clock that the test moves.
func TestTheScriptDecides(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "session.js")
	must(t, os.WriteFile(file, w.get("/session.js").want(t, 200, "").body, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test", "testdata/sessionjs/session.test.mjs")
	cmd.Env = append(os.Environ(), "SESSION_JS="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
