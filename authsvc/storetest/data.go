package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// RunData tests the Data of the stores that open makes.
func RunData(t *testing.T, open func(t *testing.T) *Subject) {
	run(t, open, []trial{
		{"what was written is read", writtenIsRead},
		{"a write needs the head as it is", writeNeedsTheHead},
		{"of many writes at once one is made", oneOfManyWrites},
		{"all cells change at one moment", cellsChangeAtOnce},
		{"cells that are out of bounds are refused", unfitCells},
		{"data outlives a restart", dataOutlivesARestart},
		{"a done context is obeyed by the data", doneContextOfData},
		{"nothing is read from a closed store", closedData},
	})
}

// cells are the head and "cell 1", "cell 2" with these values; "" removes one.
func cells(values ...string) map[string][]byte {
	out := map[string][]byte{}
	for i, v := range values {
		name := authsvc.DataHead
		if i > 0 {
			name = fmt.Sprint("cell ", i)
		}
		if v != "" {
			out[name] = []byte(v)
		} else {
			out[name] = nil
		}
	}
	return out
}

// put writes cells, and says whether it was done.
func (s *Subject) put(t *testing.T, sid tokens.ID, head string, values ...string) bool {
	t.Helper()
	var was []byte
	if head != "" {
		was = []byte(head)
	}
	written, err := s.Data.Write(context.Background(), sid, was, cells(values...), s.Now().Add(time.Hour))
	if err != nil {
		t.Fatalf("writing: %v", err)
	}
	return written
}

// has fails unless the head and the cells of a session are these.
func (s *Subject) has(t *testing.T, sid tokens.ID, want ...string) {
	t.Helper()
	got, err := s.Data.Read(context.Background(), sid, authsvc.DataHead, "cell 1", "cell 2")
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	for i := range 3 {
		w := ""
		if i < len(want) {
			w = want[i]
		}
		if string(got[i]) != w || (got[i] == nil) != (w == "") {
			t.Errorf("cell %d is %q, want %q", i, got[i], w)
		}
	}
}

func writtenIsRead(t *testing.T, s *Subject) {
	sid, other := tokens.NewID(), tokens.NewID()
	s.has(t, sid)
	if !s.put(t, sid, "", "h1", "a\x00\n\xff", strings.Repeat("b", authsvc.MaxCell)) {
		t.Fatal("the first write was not made")
	}
	s.has(t, sid, "h1", "a\x00\n\xff", strings.Repeat("b", authsvc.MaxCell))
	s.has(t, other)
	if !s.put(t, sid, "h1", "h2", "", "c") {
		t.Fatal("the second write was not made")
	}
	s.has(t, sid, "h2", "", "c")
	s.put(t, sid, "h2", "", "", "") // and nothing is left
	s.has(t, sid)
	if !s.put(t, sid, "", "h3") {
		t.Error("it can not begin anew")
	}
}

func writeNeedsTheHead(t *testing.T, s *Subject) {
	sid := tokens.NewID()
	if s.put(t, sid, "h0", "h1") {
		t.Error("written over a head that is not there")
	}
	s.has(t, sid)
	s.put(t, sid, "", "h1", "a")
	for _, head := range []string{"", "h0", "h11"} {
		if s.put(t, sid, head, "h2", "b") {
			t.Errorf("written over the head %q, which it is not", head)
		}
	}
	s.has(t, sid, "h1", "a")
}

func oneOfManyWrites(t *testing.T, s *Subject) {
	sid := tokens.NewID()
	for round, head := range []string{"", "h1", "h2"} {
		next := fmt.Sprint("h", round+1)
		var made atomic.Int64
		var winner atomic.Pointer[string]
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				mine := fmt.Sprint("of ", i)
				var was []byte
				if head != "" {
					was = []byte(head)
				}
				// The head is the same of all: who came second finds what it wanted, and not what it had read.
				written, err := s.Data.Write(context.Background(), sid, was, cells(next, mine), s.Now().Add(time.Hour))
				if err != nil {
					t.Errorf("writing: %v", err)
				}
				if written {
					made.Add(1)
					winner.Store(&mine)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			t.Fatalf("%d of 50 writes were made", made.Load())
		}
		s.has(t, sid, next, *winner.Load())
	}
}

func cellsChangeAtOnce(t *testing.T, s *Subject) {
	sid := tokens.NewID()
	s.put(t, sid, "", "0", "0", "0")
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 100 {
			s.put(t, sid, fmt.Sprint(i), fmt.Sprint(i+1), fmt.Sprint(i+1), fmt.Sprint(i+1))
		}
	})
	all.Go(func() {
		for range 100 {
			got, err := s.Data.Read(context.Background(), sid, authsvc.DataHead, "cell 1", "cell 2")
			if err != nil || !bytes.Equal(got[0], got[1]) || !bytes.Equal(got[1], got[2]) {
				t.Errorf("read %q, %v", got, err)
				return
			}
		}
	})
	all.Wait()
	s.has(t, sid, "100", "100", "100")
}

func unfitCells(t *testing.T, s *Subject) {
	many := cells("h")
	for i := range authsvc.MaxCells + 1 {
		many[fmt.Sprint(i)] = []byte("x")
	}
	for name, c := range map[string]map[string][]byte{
		"no head":       {"a": []byte("x")},
		"too many":      many,
		"a long name":   {"": []byte("h"), strings.Repeat("n", authsvc.MaxCellName+1): []byte("x")},
		"a long cell":   {"": []byte("h"), "a": make([]byte, authsvc.MaxCell+1)},
		"an empty cell": {"": []byte("h"), "a": {}},
	} {
		sid := tokens.NewID()
		if _, err := s.Data.Write(context.Background(), sid, nil, c, s.Now().Add(time.Hour)); !errors.Is(err, authsvc.ErrBadCells) {
			t.Errorf("%s: %v", name, err)
		}
		s.has(t, sid)
	}
}

func dataOutlivesARestart(t *testing.T, s *Subject) {
	sid := tokens.NewID()
	long := strings.Repeat("b", authsvc.MaxCell)
	s.put(t, sid, "", "h1", "a", long)
	s.Restart(t)
	s.has(t, sid, "h1", "a", long)
}

func doneContextOfData(t *testing.T, s *Subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Data.Read(ctx, tokens.NewID(), authsvc.DataHead); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.Data.Write(ctx, tokens.NewID(), nil, cells("h"), s.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("writing: %v", err)
	}
}

func closedData(t *testing.T, s *Subject) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Data.Read(context.Background(), tokens.NewID(), authsvc.DataHead); !errors.Is(err, authsvc.ErrStoreClosed) {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.Data.Write(context.Background(), tokens.NewID(), nil, cells("h"), s.Now().Add(time.Hour)); !errors.Is(err, authsvc.ErrStoreClosed) {
		t.Errorf("writing: %v", err)
	}
}
