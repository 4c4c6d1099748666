package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test binary be the program: scripts run it by its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sealring": main})
}

// TestSessions runs the scripts, which read like sessions at a terminal.
func TestSessions(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"ready": ready,
			"soon":  soon,
		},
	})
}

// exits CODE PROGRAM ARGS: the program ends with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

const patience = 20 * time.Second

// ready FILE: waits for the line that `dev --json` prints into the file, and
// makes variables of it: $ISSUER, $PASSWORD, $CLIENT_ID and so on.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		raw, _ := os.ReadFile(ts.MkAbs(args[0]))
		var said map[string]string
		if bytes.HasSuffix(raw, []byte("\n")) {
			ts.Check(json.Unmarshal(raw, &said))
			for name, value := range said {
				ts.Setenv(strings.ToUpper(name), value)
			}
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing in %s", args[0])
		}
	}
}

// soon REGEXP PROGRAM ARGS: within a second the program prints something that
// matches.
func soon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: soon REGEXP PROGRAM ARGS...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if got := ts.ReadFile("stdout"); want.MatchString(got) {
			return
		} else if time.Now().After(end) {
			ts.Fatalf("after a second it still prints %q", got)
		}
	}
}
