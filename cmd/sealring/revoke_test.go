package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A revocation that one replica keeps until it can be shared is done, and the
// command says where it is in force.
func TestRevokeSaysWhatIsNotSharedYet(t *testing.T) {
	var asked string
	status, more := http.StatusCreated, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"type":"key","id":"AAAAAAAAAAAAAAAAAAAAAA","time":"2026-11-21T09:00:00Z","expires":"2026-11-21T21:00:00Z"%s}`, more)
	}))
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		status         int
		more           string
		code           int
		stdout, stderr string
	}{
		"shared":     {http.StatusCreated, "", exitOK, "KEPT UNTIL", ""},
		"not shared": {http.StatusAccepted, `,"durable":true,"shared":false`, exitOK, "KEPT UNTIL", "the other replicas learn of"},
		"a fault":    {http.StatusServiceUnavailable, "", exitFailed, "", "the admin API answered 503"},
	} {
		t.Run(name, func(t *testing.T) {
			status, more = c.status, c.more
			var stdout, stderr bytes.Buffer
			env := []string{"SEALRING_ADMIN_TOKEN=0123456789abcdef0123456789abcdef"}
			code := run(t.Context(), []string{"revoke", "--key", "K", "--admin-url", s.URL}, env, nil, &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) || (c.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
			}
			if asked != `{"type":"key","value":"K"}` {
				t.Errorf("asked for %s", asked)
			}
		})
	}
}
