package boltstore

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const tracedFile = "SEALRING_BOLTSTORE_TRACE_TEST"

// TestTracedChild is the process that TestNothingIsAcknowledgedBeforeItIsSynced
// watches: it writes, each thing after the other, and says so.
func TestTracedChild(t *testing.T) {
	path := os.Getenv(tracedFile)
	if path == "" {
		return // only as a child
	}
	c := newClock()
	s, err := Open(path, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := context.Background(), c.now()
	acknowledge := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		say(t, "acked "+what)
	}
	say(t, "opened")
	acknowledge("revocation", s.Append(ctx, revocation.SessionEntry(tokens.NewID(), now, now.Add(time.Hour))))
	p := authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), SessionEnd: now.Add(time.Hour)}
	c.pass(time.Minute)
	advanced, err := s.Present(ctx, p)
	if advanced.Verdict != authsvc.Advance {
		t.Fatal(advanced.Verdict, err)
	}
	acknowledge("refresh", err)
	c.pass(time.Minute) // the grace is over
	stolen, err := s.Present(ctx, p)
	if stolen.Verdict != authsvc.Theft {
		t.Fatal(stolen.Verdict, err)
	}
	acknowledge("theft", err)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, line string) {
	t.Helper()
	if _, err := os.Stdout.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// A kill leaves what the system has not written yet, a power cut does not:
// only the calls themselves show that an answer waits for the disk.
func TestNothingIsAcknowledgedBeforeItIsSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	l := &ledger{t: t, path: path, began: map[string]begun{}}
	for line := range strings.Lines(traced(t, path)) {
		l.read(line)
	}
	if want := "revocation refresh theft"; strings.Join(l.acks, " ") != want {
		t.Fatalf("acknowledged: %q, not %s", l.acks, want)
	}
}

// traced runs the child and returns what strace says of its writes and syncs.
func traced(t *testing.T, path string) string {
	t.Helper()
	log := path + ".strace"
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "strace", "-f", "-y", "-o", log,
		"-e", "trace=write,writev,pwrite64,pwritev,fsync,fdatasync", os.Args[0], "-test.run=^TestTracedChild$")
	c.Env = append(os.Environ(), tracedFile+"="+path)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("the child, under strace (make needs): %v: %s", err, out.String())
	}
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(trace)
}

// ledger follows the calls: how much was written to the file, and how much of
// that a sync has since made durable.
type ledger struct {
	t       *testing.T
	path    string
	writes  int
	synced  int              // of these
	began   map[string]begun // by thread
	named   bool             // the folder was synced, with the file's name in it
	settled int              // the writes of the opening, and before the last acknowledgement
	acks    []string
}

// begun is a sync that a thread is in, which may take two lines.
type begun struct {
	file   string
	writes int // before it
}

var (
	call    = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<([^>]*)>(.*)`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)`)
	acked   = regexp.MustCompile(`^, "acked (\w+)`)
)

func (l *ledger) read(line string) {
	if m := call.FindStringSubmatch(line); m != nil {
		l.call(m[1], m[2], m[3], m[4])
	} else if m := resumed.FindStringSubmatch(line); m != nil {
		l.end(m[1], m[2], m[3])
	}
}

func (l *ledger) call(thread, name, file, rest string) {
	switch isSync := strings.HasSuffix(name, "sync"); {
	case isSync:
		l.began[thread] = begun{file, l.writes}
		l.end(thread, name, rest)
	case file == l.path:
		l.writes++
	default:
		if m := acked.FindStringSubmatch(rest); m != nil {
			l.ack(m[1])
		} else if strings.HasPrefix(rest, `, "opened`) {
			l.settled = l.writes
		}
	}
}

// end notes what a sync that has succeeded covers: the writes before it.
func (l *ledger) end(thread, name, rest string) {
	rest = strings.TrimSpace(rest)
	if !strings.HasSuffix(name, "sync") || strings.HasSuffix(rest, "<unfinished ...>") {
		return
	}
	sync := l.began[thread]
	switch delete(l.began, thread); {
	case !strings.HasSuffix(rest, "= 0"):
	case sync.file == l.path:
		l.synced = max(l.synced, sync.writes)
	case sync.file == filepath.Dir(l.path):
		l.named = true
	}
}

func (l *ledger) ack(what string) {
	switch {
	case l.writes == l.settled:
		l.t.Errorf("the %s is acknowledged and nothing was written", what)
	case l.synced < l.writes:
		l.t.Errorf("the %s is acknowledged after %d writes, but only %d are synced", what, l.writes, l.synced)
	case !l.named:
		l.t.Errorf("the %s is acknowledged, but the name of the new file is not synced", what)
	}
	l.acks, l.settled = append(l.acks, what), l.writes
}
