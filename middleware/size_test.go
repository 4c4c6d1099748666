package middleware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// most is how much larger the guard may make a program that serves HTTP.
const most = 3_000_000

const bareProgram = `package main

import "net/http"

func main() {
	_ = http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("hello"))
	}))
}
`

const guardedProgram = `package main

import (
	"context"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

func main() {
	guard, err := middleware.New(context.Background(), middleware.Config{Issuer: "https://auth.example.com", Audience: "orders"})
	if err != nil {
		panic(err)
	}
	_ = http.ListenAndServe(":8080", guard.Handler(guard.RequireFresh(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		_, _ = w.Write([]byte("hello " + s.Subject))
	}))))
}
`

func TestAProgramGrowsByThreeMegabytesAtMost(t *testing.T) {
	for name, flags := range map[string]string{"as go build makes it": "", "without symbols": "-s -w"} {
		bare, guarded := built(t, bareProgram, flags), built(t, guardedProgram, flags)
		t.Logf("%s: %d bytes bare, %d with the guard: %d more", name, bare, guarded, guarded-bare)
		if guarded-bare > most || guarded-bare < most/10 {
			t.Errorf("%s: %d bytes more", name, guarded-bare)
		}
	}
}

// built returns how large a program is.
func built(t *testing.T, source, flags string) int64 {
	t.Helper()
	dir := t.TempDir()
	file, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags="+flags, "-o", program, file)
	cmd.Dir = ".." // in our module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
