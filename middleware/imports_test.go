package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sealring-dev/sealring"

// rooms says which rooms a room may import. The arrows of DESIGN only ever
// point right; a new package has to be given its place here first.
var rooms = map[string][]string{
	"keys":                  {"keys/edtable"},
	"keys/edtable":          {},
	"keys/ringfile":         {"keys"},
	"keys/ringredis":        {"keys", "keys/redisclient", "keys/ringfile"},
	"tokens":                {"keys"},
	"keys/redisclient":      {"tokens"}, // for those who keep something in Redis
	"tokens/revocation":     {"keys", "tokens"},
	"tokens/budget":         {"keys", "tokens"},
	"tokens/issuer":         {"keys", "tokens", "tokens/revocation", "tokens/budget"},
	"middleware":            {"keys", "tokens", "tokens/revocation", "tokens/budget", "tokens/issuer"},
	"middleware/authtest":   {"keys", "tokens", "tokens/revocation", "middleware"},
	"middleware/grpcauth":   {"middleware"},
	"middleware/otelauth":   {"middleware"},
	"middleware/promauth":   {"middleware"},
	"middleware/datacookie": {"keys", "tokens", "tokens/budget", "middleware"},
	"openapi":               {"openapi"},
	"authsvc":               {"keys", "tokens", "tokens/revocation", "tokens/budget", "tokens/issuer", "middleware", "openapi"},
	"authsvc/boltstore":     {"keys", "tokens", "tokens/revocation", "authsvc"},
	"authsvc/redisstore":    {"keys", "tokens", "tokens/revocation", "keys/redisclient", "authsvc"},
	"authsvc/storetest":     {"keys", "tokens", "tokens/revocation", "authsvc"},
	"authsvc/users":         {"tokens", "authsvc"},
	"authsvc/sessionschema": {"keys", "authsvc"},

	"authsvc/storetest/redistest": {}, // starts real Redis servers for tests
}

// programs put the rooms together and may import every one of them.
var programs = []string{"cmd/", "bench/"}

// thirdParty says which modules a room may import itself. Rooms that are not
// named are none of a consumer's business.
var thirdParty = map[string][]string{
	"keys":              {"github.com/go-jose/go-jose/v4"},
	"keys/edtable":      {"filippo.io/edwards25519"},
	"tokens":            {"github.com/go-jose/go-jose/v4", "github.com/golang-jwt/jwt/v5"},
	"tokens/revocation": {},
	"tokens/budget":     {},
	"tokens/issuer":     {},
	"middleware":        {},

	"middleware/grpcauth": {"google.golang.org/grpc"},
	"middleware/otelauth": {"go.opentelemetry.io/otel"}, // its API: which SDK is the program's choice
	"middleware/promauth": {"github.com/prometheus/client_golang"},
}

// pure rooms compute: they get their time, their keys and their bytes as
// arguments.
var pure = []string{"keys", "keys/edtable", "tokens", "tokens/revocation", "tokens/budget"}

// effects are what pure rooms must not reach for.
var effects = []string{"net", "net/http", "os", "os/exec", "io/ioutil", "syscall"}

func TestRoomsImportOnlyWhatLiesToTheirRight(t *testing.T) {
	for _, p := range goList(t, "./...") {
		room := roomOf(p.ImportPath)
		if slices.ContainsFunc(programs, func(p string) bool { return strings.HasPrefix(room, p) }) {
			continue
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("package %s has no place in the table of rooms", room)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"/") && !slices.Contains(allowed, roomOf(imported)) {
				t.Errorf("%s must not import %s", room, roomOf(imported))
			}
		}
	}
}

func TestRoomsOfAConsumerImportOnlyTheirThirdParties(t *testing.T) {
	for _, p := range goList(t, "./...") {
		allowed, ruled := thirdParty[roomOf(p.ImportPath)]
		if !ruled {
			continue
		}
		for _, imported := range p.Imports {
			if foreign(imported) && !slices.ContainsFunc(allowed, func(m string) bool { return within(imported, m) }) {
				t.Errorf("%s must not import %s", roomOf(p.ImportPath), imported)
			}
		}
	}
}

func TestPureRoomsReachForNoEffect(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if !slices.Contains(pure, roomOf(p.ImportPath)) {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(effects, imported) {
				t.Errorf("%s must not import %s", roomOf(p.ImportPath), imported)
			}
		}
	}
}

func TestAConsumerOfMiddlewareBuildsNothingButThreeModules(t *testing.T) {
	allowed := []string{"github.com/golang-jwt/jwt/v5", "github.com/go-jose/go-jose/v4", "filippo.io/edwards25519"}
	own := append([]string{"keys/edtable"}, rooms["middleware"]...)
	var seen []string
	for _, p := range goList(t, "-deps", "./middleware/testdata/consumer") {
		switch {
		case p.Standard, p.ImportPath == module+"/middleware/testdata/consumer":
		case p.ImportPath == module+"/middleware":
			seen = append(seen, p.ImportPath)
		case strings.HasPrefix(p.ImportPath, module+"/"):
			if !slices.Contains(own, roomOf(p.ImportPath)) {
				t.Errorf("a consumer builds our room %s", roomOf(p.ImportPath))
			}
		case !slices.ContainsFunc(allowed, func(m string) bool { return within(p.ImportPath, m) }):
			t.Errorf("a consumer builds %s", p.ImportPath)
		}
		if p.ImportPath == "testing" {
			t.Error("a consumer builds testing")
		}
	}
	if len(seen) != 1 {
		t.Fatal("the consumer does not build middleware: this test sees nothing")
	}
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// goList asks the go command, at the root of the repository.
func goList(t *testing.T, args ...string) (packages []listed) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Standard,Imports"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("go list names %d packages: this test sees nothing", len(packages))
	}
	return packages
}

// roomOf names the room a package is in. What is generated from openapi.yaml
// may be several packages of one room.
func roomOf(path string) string {
	room := strings.TrimPrefix(path, module+"/")
	if within(room, "openapi") {
		return "openapi"
	}
	return room
}

// foreign tells imports that are neither ours nor the standard library's.
func foreign(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && !within(path, module)
}

// within reports whether a package is of a module.
func within(path, mod string) bool { return path == mod || strings.HasPrefix(path, mod+"/") }
