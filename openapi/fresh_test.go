package openapi_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// generated finds the go:generate lines of openapi.go.
var generated = regexp.MustCompile(`(?m)^//go:generate (.*)$`)

// The generated files are what the pinned generator makes of openapi.yaml.
func TestGeneratedCodeIsFresh(t *testing.T) {
	source, err := os.ReadFile("openapi.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := generated.FindAllSubmatch(source, -1)
	if len(lines) != 2 {
		t.Fatalf("%d go:generate lines", len(lines))
	}
	for _, line := range lines {
		args := strings.Fields(string(line[1]))
		at := indexOf(t, args, "-o") + 1
		file := args[at]
		t.Run(file, func(t *testing.T) {
			fresh := filepath.Join(t.TempDir(), "fresh.go")
			args[at] = fresh
			if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("generating: %v\n%s", err, out)
			}
			want, err := os.ReadFile(fresh)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is stale: run go generate ./openapi", file)
			}
		})
	}
}

func indexOf(t *testing.T, args []string, arg string) int {
	t.Helper()
	for i, a := range args {
		if a == arg {
			return i
		}
	}
	t.Fatalf("no %s in %q", arg, args)
	return 0
}

// The generator is a pinned program and no requirement of the module.
func TestGeneratorIsNotRequired(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mod, []byte("oapi-codegen/oapi-codegen")) {
		t.Error("go.mod requires the generator")
	}
}
