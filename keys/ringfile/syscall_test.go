package ringfile_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// orderRotations is the order of a child that rotates the keys of every
// purpose, one after the other, and acknowledges each rotation with a line:
// the generation and a hash of the ring.
const (
	orderRotations = "rotations"
	limitEnv       = "RINGFILE_TEST_LIMIT" // bytes that a file may have (setrlimit)
)

// strace counts the calls of each thread apart, so the child makes all of its
// own on one: the first. Only what runs before main can stay there.
var _ = func() bool {
	if os.Getenv(orderEnv) == orderRotations {
		runtime.LockOSThread()
	}
	return true
}()

func rotations(f *ringfile.File) int {
	if err := limitFiles(); err != nil {
		return complain(err)
	}
	acknowledge(f.Ring())
	for _, p := range keys.Purposes() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		ring, err := f.Update(ctx, rotate(p))
		cancel()
		if err != nil {
			return complain(err)
		}
		acknowledge(ring)
	}
	return 0
}

func rotate(p keys.Purpose) func(*keys.Ring) (*keys.Ring, error) {
	return func(r *keys.Ring) (*keys.Ring, error) { return r.Rotate(p, keys.Plan{}, time.Now()) }
}

// limitFiles makes the system write only so much of a file, as a disk that
// fills up does: the rest of the bytes is refused.
func limitFiles() error {
	text := os.Getenv(limitEnv)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}

func acknowledge(r *keys.Ring) { fmt.Println(r.Generation(), fingerprint(r)) }

func fingerprint(r *keys.Ring) string {
	text, err := r.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// calls is what a program can do to files and to their descriptors; strace
// passes over a name with ? that the machine does not have.
const calls = "openat,?open,?creat,read,pread64,write,pwrite64,?writev,lseek,?stat,?lstat,fstat,?newfstatat,?statx," +
	"?getdents64,?getdents,ftruncate,fallocate,fsync,fdatasync,sync_file_range,?rename,?renameat,?renameat2,?link,?linkat," +
	"?unlink,?unlinkat,?chmod,fchmod,?fchmodat,fchown,?mkdirat,flock,fcntl,close,copy_file_range,sendfile"

// point is one fault at one moment of the child's life.
type point struct {
	call  string // its name
	nth   int    // of that name, from the start of the process
	fault string // as strace says it
	limit string // instead: how large a file may get
}

func (p point) String() string {
	if p.limit != "" {
		return "no file beyond " + p.limit + " bytes"
	}
	return fmt.Sprintf("%s at %s number %d", p.fault, p.call, p.nth)
}

// sweeper runs the child at one point after the other, each time on the same
// first ring.
type sweeper struct {
	t      *testing.T
	base   string // where the folders are made
	master ringfile.MasterKey
	first  []byte // the sealed ring of generation one
	pile   int    // temporary files that faults have left behind
}

// begin lays the first ring out in a folder of its own.
func (s *sweeper) begin() string {
	s.t.Helper()
	folder, err := os.MkdirTemp(s.base, "point")
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(folder, "ring.jwe")
	write(s.t, path, s.first)
	write(s.t, path+".seen", []byte("1"))
	write(s.t, path+".lock", nil)
	return path
}

// result is what a child left behind.
type result struct {
	acknowledged uint64
	fingerprint  string // of the ring acknowledged last
	log          string // of strace
	killed       bool
	stderr       string
}

func (s *sweeper) run(path string, p point) result {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	log := path + ".strace"
	args := []string{"-f", "-y", "-o", log, "-e", "trace=" + calls}
	if p.fault != "" {
		args = append(args, "-e", fmt.Sprintf("inject=%s:%s:when=%d", p.call, p.fault, p.nth))
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	var out, complaint bytes.Buffer
	c := exec.CommandContext(ctx, "strace", append(args, self)...)
	c.Stdout, c.Stderr = &out, &complaint
	c.Env = append(os.Environ(), orderEnv+"="+orderRotations, pathEnv+"="+path, masterEnv+"="+s.master.Reveal(),
		limitEnv+"="+p.limit,
		"GODEBUG=asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0", "GOGC=off") // each life of a child like the other
	err = c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		s.t.Fatal("this test needs strace: make needs")
	case ctx.Err() != nil:
		s.t.Fatalf("%v: the child hangs", p)
	}
	r := result{log: string(read(s.t, log)), stderr: complaint.String()}
	r.killed = c.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL // strace dies as its child did
	for line := range strings.Lines(out.String()) {
		if _, err := fmt.Sscan(line, &r.acknowledged, &r.fingerprint); err != nil {
			s.t.Fatalf("%v: the child says %q", p, line)
		}
	}
	return r
}

var entry = regexp.MustCompile(`(?m)^(\d+) +([a-z0-9_]+)\(.*$`)

// points runs the child undisturbed and returns every call that it makes on
// the ring's folder while it rotates, with every fault that it could meet.
func (s *sweeper) points() (all []point, places int) {
	s.t.Helper()
	path := s.begin()
	r := s.run(path, point{})
	if want := uint64(len(keys.Purposes()) + 1); r.acknowledged != want {
		s.t.Fatalf("undisturbed, the child came to generation %d, not %d: %s", r.acknowledged, want, r.stderr)
	}
	count, rotating, process := map[string]int{}, false, ""
	for _, m := range entry.FindAllStringSubmatch(r.log, -1) {
		line, pid, call := m[0], m[1], m[2]
		if process == "" {
			process = pid // the first call is the first thread's
		}
		ours := strings.Contains(line, filepath.Dir(path))
		if pid != process {
			if ours {
				s.t.Fatalf("another thread works on the ring, so that its calls are not counted: %s", line)
			}
			continue
		}
		count[call]++
		rotating = rotating || call == "write" && strings.Contains(line, `, "1 `) // the first acknowledgement
		if rotating && ours {
			places++
			all = append(all, faults(call, count[call])...)
		}
	}
	for i := range 24 {
		all = append(all, point{limit: strconv.Itoa(i * len(s.first) / 20)}) // some are beyond what it needs
	}
	return all, places
}

// faults are what may happen at a call: death before it (which is also after
// the one before), a full and a broken disk, and for writes two that are too
// short: of nothing, and of a byte that in truth is lost.
func faults(call string, nth int) []point {
	kinds := []string{"signal=KILL", "error=EIO"}
	switch call {
	case "openat", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "rename", "renameat", "renameat2", "fchmod", "close":
		kinds = append(kinds, "error=ENOSPC")
	}
	if call == "write" || call == "pwrite64" {
		kinds = append(kinds, "retval=0", "retval=1")
	}
	var all []point
	for _, k := range kinds {
		all = append(all, point{call: call, nth: nth, fault: k})
	}
	return all
}

// check runs the child at one point and looks at what is left.
func (s *sweeper) check(p point) {
	t := s.t
	t.Helper()
	path := s.begin()
	r := s.run(path, p)
	hit := regexp.MustCompile(regexp.QuoteMeta(filepath.Dir(path)) + `.*\(INJECTED\)`).MatchString(r.log)
	if p.fault != "" && !hit && !r.killed {
		t.Fatalf("%v: it did not happen:\n%s", p, r.log)
	}
	s.pile = max(s.pile, leftovers(t, path))
	f, err := ringfile.Open(path, s.master)
	if err != nil {
		t.Errorf("%v: the ring can not be read: %v (%s)", p, err, r.stderr)
		return
	}
	g := f.Ring().Generation()
	if g < r.acknowledged || g > r.acknowledged+1 || r.acknowledged == 0 {
		t.Errorf("%v: generation %d, but %d was acknowledged", p, g, r.acknowledged)
	}
	if g == r.acknowledged && fingerprint(f.Ring()) != r.fingerprint {
		t.Errorf("%v: not the ring of generation %d that was acknowledged", p, g)
	}
	s.goOn(p, path, f)
}

// goOn does the rotations that the child did not come to, and one change more.
func (s *sweeper) goOn(p point, path string, f *ringfile.File) {
	t := s.t
	t.Helper()
	left := keys.Purposes()[f.Ring().Generation()-1:]
	for _, use := range left {
		if _, err := f.Update(t.Context(), rotate(use)); err != nil {
			t.Errorf("%v: the next rotation: %v", p, err)
			return
		}
	}
	if g := update(t, f).Generation(); g != uint64(len(keys.Purposes())+2) {
		t.Errorf("%v: generation %d after all rotations", p, g)
	}
	if mark := string(read(t, path+".seen")); mark != strconv.FormatUint(f.Ring().Generation(), 10) {
		t.Errorf("%v: the mark is %q afterwards", p, mark)
	}
	if n := leftovers(t, path); n > 0 {
		t.Errorf("%v: %d temporary files stayed after the next write", p, n)
	}
}

// full reports whether everything is to be tried rather than a sample.
func full() bool { return os.Getenv("SEALRING_FULL") != "" }

func TestAFaultAtAnySystemCallOfARotationLeavesAReadableRingAndLosesNoGeneration(t *testing.T) {
	path, master := create(t)
	s := &sweeper{t: t, base: t.TempDir(), master: master, first: read(t, path)}
	all, places := s.points()
	if len(all) < 200 {
		t.Fatalf("only %d points", len(all))
	}
	chosen := all
	if !full() {
		chosen = sample(all, 48)
	}
	kinds := map[string]int{}
	for _, p := range chosen {
		s.check(p)
		kinds[p.fault]++
	}
	t.Logf("%d rotations make %d calls; %d of %d points tried (%v); at most %d temporary files lay there after a fault",
		len(keys.Purposes()), places, len(chosen), len(all), kinds, s.pile)
}

// sample takes about n points: of each kind of fault its share, at least two,
// evenly spread over the child's life.
func sample(all []point, n int) []point {
	kinds := map[string][]point{}
	for _, p := range all {
		kinds[p.fault] = append(kinds[p.fault], p)
	}
	var some []point
	for _, points := range kinds {
		share := max(2, n*len(points)/len(all))
		for i := range share {
			some = append(some, points[(2*i+1)*len(points)/(2*share)])
		}
	}
	return some
}
