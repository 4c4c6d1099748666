package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

func TestPruneDropsWhatIsOverUnlessItIsADryRun(t *testing.T) {
	s := newDataFolder(t)
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-4*24*time.Hour))
	must(t, err)
	ring = turned(t, ring, time.Now().Add(-3*24*time.Hour))
	must(t, os.Remove(s.path(ringFile)))
	must(t, os.Remove(s.path(ringFile)+".seen"))
	master, err := s.masterKey()
	must(t, err)
	must(t, ringfile.Create(s.path(ringFile), master, ring))
	prune := func(args ...string) string {
		t.Helper()
		var out, said bytes.Buffer
		if code := run(t.Context(), append([]string{"keys", "prune", "--data", s.Data}, args...), nil, nil, &out, &said); code != 0 {
			t.Fatalf("exit code %d: %s", code, said.String())
		}
		return out.String()
	}
	before, err := os.ReadFile(s.path(ringFile))
	must(t, err)
	if out := prune("--dry-run"); strings.Count(out, "dropped") != 2 {
		t.Errorf("a dry run says\n%s", out)
	}
	after, err := os.ReadFile(s.path(ringFile))
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("a dry run has changed the ring")
	}
	if out := prune(); strings.Count(out, "dropped") != 2 {
		t.Errorf("it says\n%s", out)
	}
	f, err := s.openRing(t.Context(), s.ringIn(nil))
	must(t, err)
	if n := len(f.Ring().Keys()); n != 8 {
		t.Errorf("%d keys are left", n)
	}
	if out := prune(); strings.Contains(out, "dropped") {
		t.Errorf("a second time:\n%s", out)
	}
}

func TestAKeySetComesWholeOrNotAtAll(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"/good":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"/error":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"keys":[]}`, http.StatusNotFound) },
		"/redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) },
		"/huge":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxJWKS+1)) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	defer s.Close()
	for path := range answers {
		raw, err := readJWKS(t.Context(), s.URL+path)
		if (err == nil) != (path == "/good") {
			t.Errorf("%s: %d bytes, %v", path, len(raw), err)
		}
	}
}
