package middleware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestWebSocketsOfALibrary runs the tests in testdata/websocket. They need a
// WebSocket library, which is no requirement of ours: not even the version
// floor is to reach whoever imports us.
func TestWebSocketsOfALibrary(t *testing.T) {
	t.Parallel()
	const dir = "testdata/websocket"
	mod := filepath.Join(t.TempDir(), "go.mod") // a copy, which the go command may complete
	for from, to := range map[string]string{
		filepath.Join(dir, "go.mod"): mod,
		filepath.Join(dir, "go.sum"): filepath.Join(filepath.Dir(mod), "go.sum"),
	} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-count=1", "-mod=mod", "-modfile="+mod, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
