package middleware_test

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware/authtest"
)

// TestReadmeProgram builds the README's program as a stranger would, in a
// module of its own, and runs it: what the README shows must be true.
func TestReadmeProgram(t *testing.T) {
	issuer := authtest.New(t)
	issuer.Audience = "demo"
	addr := freeAddr(t)
	program := readmeProgram(t)
	program = replaced(t, program, "http://localhost:8080", issuer.URL)
	program = replaced(t, program, `ID: "demo"`, `ID: "`+issuer.ClientID+`"`)
	program = replaced(t, program, "127.0.0.1:8083", addr)
	start(t, build(t, program), "DEMO_SECRET="+issuer.ClientSecret)

	token := issuer.Token(authtest.Subject("ann"))
	await(t, addr, token, http.StatusOK)
	if got := status(addr, ""); got != http.StatusUnauthorized {
		t.Errorf("without a token: %d, want 401", got)
	}
	issuer.Revoke(token)
	await(t, addr, token, http.StatusUnauthorized)
}

// readmeProgram is the README's one block of Go.
func readmeProgram(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 1 {
		t.Fatalf("README has %d blocks of Go, want 1", len(blocks))
	}
	return blocks[0][1]
}

func replaced(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("the program has %q %d times, want once", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

// build compiles the program against this working tree and returns its path.
func build(t *testing.T, program string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	module := "module stranger\n\ngo 1.26\n\nrequire github.com/sealring-dev/sealring v0.0.0\n\nreplace github.com/sealring-dev/sealring => " + root + "\n"
	for name, content := range map[string]string{"main.go": program, "go.mod": module, "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-mod=mod", "-o", "stranger", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the README's program does not compile: %v\n%s", err, out)
	}
	return filepath.Join(dir, "stranger")
}

func start(t *testing.T, path string, env ...string) {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			t.Log(lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-logged
		_ = cmd.Wait()
	})
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await asks until the answer has the status.
func await(t *testing.T, addr, token string, want int) {
	t.Helper()
	got := 0
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if got = status(addr, token); got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("answer %d, want %d", got, want)
}

// status is the answer's status, 0 while nothing listens.
func status(addr, token string) int {
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return 0
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
