package boltstore

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const childFile = "SEALRING_BOLTSTORE_KILL_TEST"

// TestKilledChild is the process that TestNothingAcknowledgedIsLost kills: it
// writes as fast as it can and prints what was acknowledged, a line each.
func TestKilledChild(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		return // only as a child
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	for range 4 {
		go writeForever(s, lines)
	}
	for line := range lines {
		if _, err := os.Stdout.WriteString(line); err != nil {
			os.Exit(1)
		}
	}
}

func writeForever(s *Store, lines chan<- string) {
	ctx := context.Background()
	for {
		now := time.Now()
		sid := tokens.NewID()
		if err := s.Append(ctx, revocation.SessionEntry(sid, now, now.Add(time.Hour))); err != nil {
			panic(err)
		}
		lines <- "revoked " + sid.String() + "\n"
		p := authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: now.Add(-time.Minute).UnixMilli(),
			SessionEnd: now.Add(time.Hour), Grace: time.Millisecond}
		p.IssuedAt = max(p.IssuedAt, s.meta.born)
		time.Sleep(time.Until(time.UnixMilli(p.IssuedAt + 5)))
		out, err := s.Present(ctx, p)
		if err != nil || out.Verdict != authsvc.Advance {
			panic(fmt.Sprint(out.Verdict, err))
		}
		lines <- fmt.Sprintf("advanced %v %d\n", p.SessionID, out.IssuedAt)
	}
}

// TestNothingAcknowledgedIsLost kills a writing process again and again, and
// looks for everything that it ever acknowledged.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	const kills = 24
	path := filepath.Join(t.TempDir(), "store.db")
	revoked, advanced := map[tokens.ID]bool{}, map[tokens.ID]int64{}
	for range kills {
		for _, line := range killOnce(t, path) {
			kind, rest, _ := strings.Cut(line, " ")
			id, at, _ := strings.Cut(rest, " ")
			sid, err := tokens.ParseID(id)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if kind == "revoked" {
				revoked[sid] = true
			} else if advanced[sid], err = strconv.ParseInt(at, 10, 64); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
		}
		lookFor(t, path, revoked, advanced)
	}
	if len(revoked) < kills || len(advanced) < kills {
		t.Errorf("only %d revocations and %d refreshes were acknowledged", len(revoked), len(advanced))
	}
}

// killOnce lets a child write for a while and returns the whole lines that it
// printed.
func killOnce(t *testing.T, path string) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = append(os.Environ(), childFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := 1 + rand.IntN(60)
	var kill sync.Once
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		if len(lines) >= stop {
			kill.Do(func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v, %q", err, lines)
	}
	return lines
}

func lookFor(t *testing.T, path string, revoked map[tokens.ID]bool, advanced map[tokens.ID]int64) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	defer func() { _ = s.Close() }()
	b, err := s.since(context.Background(), revocation.Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	list := revocation.NewList()
	list.Apply(time.Now(), b.Frame.Entries...)
	for sid := range revoked {
		if _, ok := list.Match(&tokens.Claims{SessionID: sid}); !ok {
			t.Fatalf("the revocation of %v is lost", sid)
		}
	}
	for sid, at := range advanced {
		out, err := s.Present(context.Background(), authsvc.Presentation{SessionID: sid, Generation: 1,
			IssuedAt: at, SessionEnd: time.Now().Add(time.Hour), Grace: authsvc.MaxGrace})
		if err != nil || out.Generation != 1 || out.IssuedAt != at || out.ParentIssuedAt == 0 {
			t.Fatalf("the refresh of %v is lost: %+v, %v", sid, out, err)
		}
	}
}
