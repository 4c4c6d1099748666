package ringfile_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

// The test binary starts itself again as another process that works on a
// ring. Its orders are in the environment.
const (
	orderEnv  = "RINGFILE_TEST_ORDER"
	pathEnv   = "RINGFILE_TEST_PATH"
	masterEnv = "RINGFILE_TEST_MASTER"
)

// What a child that rotates once says.
const (
	exitWon      = 0
	exitConflict = 3
)

func TestMain(m *testing.M) {
	if order := os.Getenv(orderEnv); order != "" {
		os.Exit(child(order))
	}
	goleak.VerifyTestMain(m)
}

// child opens the ring, says so, waits for the word to go and then rotates
// once, or changes the ring for ever and acknowledges each generation.
func child(order string) int {
	master, err := ringfile.ParseMasterKey([]byte(os.Getenv(masterEnv)))
	if err != nil {
		return complain(err)
	}
	f, err := ringfile.Open(os.Getenv(pathEnv), master)
	if err != nil {
		return complain(err)
	}
	if order == orderRotations {
		return rotations(f)
	}
	fmt.Println(f.Ring().Generation())
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return complain(err)
	}
	for {
		plan := change
		if order == "rotate" {
			plan = rotateFeed
		}
		ring, err := f.Update(context.Background(), plan)
		if errors.Is(err, ringfile.ErrConflict) {
			return exitConflict
		}
		if err != nil {
			return complain(err)
		}
		if order == "rotate" {
			return exitWon
		}
		fmt.Println(ring.Generation())
	}
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	err bytes.Buffer
}

// start returns once the child has opened the ring.
func start(t *testing.T, order, path string, master ringfile.MasterKey) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self)}
	p.Env = append(os.Environ(), orderEnv+"="+order, pathEnv+"="+path, masterEnv+"="+master.Reveal())
	p.Stderr = &p.err
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	p.out = bufio.NewScanner(out)
	if !p.out.Scan() {
		t.Fatalf("the child did not open the ring: %s", p.err.String())
	}
	return p
}

func (p *process) release(t *testing.T) {
	t.Helper()
	if _, err := p.in.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
}

func TestOfFiftyProcessesThatRotateAtOnceOneWinsAndTheOthersSaySo(t *testing.T) {
	path, master := create(t)
	children := make([]*process, 50)
	for i := range children {
		children[i] = start(t, "rotate", path, master)
	}
	for _, c := range children {
		c.release(t)
	}
	won, told := 0, 0
	for _, c := range children {
		_ = c.Wait()
		switch c.ProcessState.ExitCode() {
		case exitWon:
			won++
		case exitConflict:
			told++
		default:
			t.Errorf("a child failed: %s", c.err.String())
		}
	}
	if won != 1 || told != len(children)-1 {
		t.Errorf("%d won and %d were told", won, told)
	}
	if g := open(t, path, master).Ring().Generation(); g != 2 {
		t.Errorf("generation %d after one rotation", g)
	}
}

// kills is how often the quick test kills; set RINGFILE_KILLS for more.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("RINGFILE_KILLS"), "40"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAKillAtAnyMomentLeavesAReadableRingAndLosesNothingAcknowledged(t *testing.T) {
	path, master := create(t)
	halfway := 0 // kills that hit a writer between two of its steps
	for range kills(t) {
		acknowledged := killOne(t, path, master)
		f := open(t, path, master)
		if g := f.Ring().Generation(); g < acknowledged || g > acknowledged+1 {
			t.Fatalf("generation %d, but %d was acknowledged", g, acknowledged)
		}
		mark, err := strconv.ParseUint(string(read(t, path+".seen")), 10, 64)
		if err != nil || mark > f.Ring().Generation() {
			t.Fatalf("mark %d above generation %d: %v", mark, f.Ring().Generation(), err)
		}
		if leftovers(t, path) > 0 || mark < f.Ring().Generation() {
			halfway++
		}
	}
	t.Logf("%d of %d kills hit a write halfway", halfway, kills(t))
	update(t, open(t, path, master))
	if n := leftovers(t, path); n > 0 {
		t.Errorf("%d temporary files stayed", n)
	}
}

// killOne lets a child change the ring and kills it at a random moment. It
// returns the last generation that the child acknowledged.
func killOne(t *testing.T, path string, master ringfile.MasterKey) (acknowledged uint64) {
	t.Helper()
	c := start(t, "for ever", path, master)
	c.release(t)
	for range rand.IntN(4) {
		c.out.Scan() // it goes on while we read
	}
	time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond) // the random moment, nothing to wait for
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	last := c.out.Text()
	for c.out.Scan() { // what it wrote before it died
		last = c.out.Text()
	}
	n, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func leftovers(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+filepath.Base(path)) {
			n++
		}
	}
	return n
}
