package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aroundTheLines is the program around the README's lines for an application
// that has stored its tokens until they expired.
const aroundTheLines = `package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/oauth2"
)

func main() {
	ctx, TOKEN, REFRESH, expiry := context.Background(), os.Getenv("TOKEN"), os.Getenv("REFRESH"), time.Now()
	%s
	res, err := client.Get(os.Args[1])
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		fmt.Print(refused.ErrorCode)
	case err != nil:
		fmt.Print(err)
	default:
		fmt.Print(res.StatusCode)
	}
}
`

// The README's lines for golang.org/x/oauth2 refresh at the real program and
// are let in by the service that it protects, until the logout.
func TestTheReadmesOAuthClientStaysLoggedIn(t *testing.T) {
	_, said := startDev(t, t.TempDir())
	program := oauthProgram(t, said.Issuer)
	in := logInForRefreshing(t, said)
	get := func() string {
		t.Helper()
		cmd := exec.Command(program, said.Demo+"/")
		cmd.Env = append(os.Environ(), "TOKEN="+in.Access, "REFRESH="+in.Refresh)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	for range 2 { // two processes with the same stored token
		if got := get(); got != "200" {
			t.Errorf("the demo service answers %s", got)
		}
	}
	wantCall(t, http.StatusNoContent, http.MethodPost, said.Issuer+"/v1/logout", credential{"Authorization", "Bearer " + in.Access})
	if got := get(); got != "invalid_grant" {
		t.Errorf("after the logout: %s", got)
	}
}

// oauthProgram builds the README's lines for this issuer, in the module that
// requires the library.
func oauthProgram(t *testing.T, issuer string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```\n(conf := &oauth2.*?)```").FindStringSubmatch(string(readme))
	const example = "https://auth.example.com"
	if lines == nil || strings.Count(lines[1], example) != 1 {
		t.Fatal("the README has no lines for golang.org/x/oauth2, or for another issuer")
	}
	dir, module := t.TempDir(), "../../authsvc/testdata/oauthclients/xoauth2"
	if err := os.CopyFS(dir, os.DirFS(module)); err != nil {
		t.Fatal(err)
	}
	source := fmt.Sprintf(aroundTheLines, strings.Replace(lines[1], example, issuer, 1))
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "client", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the README's lines do not compile: %v\n%s", err, out)
	}
	return filepath.Join(dir, "client")
}

type loggedIn struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func logInForRefreshing(t *testing.T, said devRun) (in loggedIn) {
	t.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":%q,"mode":"token"}`, said.Username, said.Password)
	resp, err := client.Post(said.Issuer+"/v1/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil || in.Refresh == "" {
		t.Fatalf("login answers %s: %s (%v)", resp.Status, raw, err)
	}
	return in
}
