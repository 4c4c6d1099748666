package authsvc_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// foreignClient is an OAuth library of other people, in a program of its own:
// see testdata/oauthclients. `make needs` installs what runs them.
type foreignClient struct {
	t   *testing.T
	in  *json.Encoder
	out *json.Decoder
}

// ask is what the program shall do. All know "refresh" and "credentials".
type ask struct {
	Do           string `json:"do"`
	ID           string `json:"id,omitempty"` // of the client
	Secret       string `json:"secret,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`

	Sources int    `json:"sources,omitempty"`  // x/oauth2
	Callers int    `json:"callers,omitempty"`  // x/oauth2
	URL     string `json:"url,omitempty"`      // x/oauth2
	RetryID string `json:"retry_id,omitempty"` // x/oauth2

	Token     string `json:"token,omitempty"`     // openid-client
	Auth      string `json:"auth,omitempty"`      // openid-client
	Algorithm string `json:"algorithm,omitempty"` // openid-client
}

// told is what the library said of it.
type told struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
	Status       int    `json:"status"` // as far as the library tells it

	Metadata      map[string]any `json:"metadata"`
	Introspection map[string]any `json:"introspection"`
}

// build copies the programs of one library, and makes what has to be made.
func build(t *testing.T, name string, command ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata/oauthclients", name))))
	if command == nil {
		return dir
	}
	c := exec.Command(command[0], command[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return dir
}

// client starts a program for this world.
func (w *tapped) client(dir string, command ...string) *foreignClient {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	c := exec.CommandContext(ctx, command[0], append(command[1:], w.issuer)...)
	c.Dir = dir
	var problem strings.Builder
	c.Stderr = &problem
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", command, err, problem.String())
		}
		cancel()
	})
	return &foreignClient{t, json.NewEncoder(in), json.NewDecoder(out)}
}

// all asks, and returns whatever comes of it.
func (c *foreignClient) all(a ask) (results []told) {
	c.t.Helper()
	must(c.t, c.in.Encode(a))
	if err := c.out.Decode(&results); err != nil {
		c.t.Fatalf("asked to %s: %v", a.Do, err)
	}
	return results
}

func (c *foreignClient) one(a ask) told {
	c.t.Helper()
	results := c.all(a)
	if len(results) != 1 {
		c.t.Fatalf("asked to %s: %+v", a.Do, results)
	}
	return results[0]
}

// good asks for tokens, and fails unless they come.
func (c *foreignClient) good(a ask) told {
	c.t.Helper()
	got := c.one(a)
	if got.Error != "" || got.AccessToken == "" {
		c.t.Fatalf("asked to %s: %+v", a.Do, got)
	}
	return got
}

// refused asks, and fails unless the library names the error.
func (c *foreignClient) refused(a ask, want string) {
	c.t.Helper()
	if got := c.one(a); got.Error != want || got.AccessToken != "" {
		c.t.Errorf("asked to %s: %+v, want %s", a.Do, got, want)
	}
}
