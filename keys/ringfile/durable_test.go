package ringfile_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

// A kill leaves what the system has not written yet, a power cut does not:
// only the calls themselves show that a rotation is on disk when it is
// acknowledged, and that no name ever leads to content that is not.
func TestARotationIsSyncedStepByStepBeforeItIsAcknowledged(t *testing.T) {
	path, master := create(t)
	s := &sweeper{t: t, base: t.TempDir(), master: master, first: read(t, path)}
	path = s.begin()
	l := &ledger{t: t, path: path, unsynced: map[string]bool{}}
	for _, line := range wholeCalls(s.run(path, point{}).log) {
		l.read(line)
	}
	if want := len(keys.Purposes()) + 1; l.acks != want {
		t.Errorf("%d acknowledgements, not %d", l.acks, want)
	}
}

var (
	unfinished = regexp.MustCompile(`^(\d+) +(.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
)

// wholeCalls joins the calls that strace shows in two lines, because another
// thread's came in between, where they end. The child works on one thread, so
// the order of its own calls stays.
func wholeCalls(log string) (lines []string) {
	begun := map[string]string{}
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if m := unfinished.FindStringSubmatch(line); m != nil {
			begun[m[1]] = m[1] + " " + m[2]
			continue
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			line = begun[m[1]] + m[2]
		}
		lines = append(lines, line)
	}
	return lines
}

// ledger follows the calls: what is written, synced and renamed.
type ledger struct {
	t        *testing.T
	path     string          // of the ring
	unsynced map[string]bool // files with content that is not on disk yet
	renamed  []string        // files whose new names are not on disk yet
	replaced []string        // files that have been replaced since the last acknowledgement
	acks     int
}

var (
	onFile = regexp.MustCompile(`^\d+ +(write|pwrite64|fsync|fdatasync)\(\d+<([^>]*)>(.*)$`)
	rename = regexp.MustCompile(`^\d+ +rename\w*\((?:AT_FDCWD\S*, )?"([^"]*)", (?:AT_FDCWD\S*, )?"([^"]*)".* = 0$`)
	acked  = regexp.MustCompile(`^, "\d+ [0-9a-f]{8}`) // strace shows the beginning
)

func (l *ledger) read(line string) {
	if m := rename.FindStringSubmatch(line); m != nil {
		l.rename(m[1], m[2])
		return
	}
	m := onFile.FindStringSubmatch(line)
	if m == nil {
		return
	}
	name, file, rest := m[1], m[2], m[3]
	isSync := strings.HasSuffix(name, "sync")
	switch ours := filepath.Dir(file) == filepath.Dir(l.path); {
	case isSync && !strings.HasSuffix(rest, " = 0"):
	case isSync && file == filepath.Dir(l.path):
		l.renamed = nil
	case isSync:
		delete(l.unsynced, file)
	case ours:
		l.unsynced[file] = true
	case acked.MatchString(rest):
		l.ack()
	}
}

func (l *ledger) rename(from, to string) {
	to = filepath.Base(to)
	if l.unsynced[from] {
		l.t.Errorf("%s gets its name before its content is synced", to)
	}
	if len(l.renamed) > 0 { // a mark that outlives its ring would lock everybody out
		l.t.Errorf("%s is replaced before the new name of %s is synced", to, l.renamed)
	}
	l.renamed, l.replaced = append(l.renamed, to), append(l.replaced, to)
}

func (l *ledger) ack() {
	if len(l.renamed) > 0 {
		l.t.Errorf("rotation %d is acknowledged before the new name of %s is synced", l.acks, l.renamed)
	}
	// The first acknowledgement is of the ring that was there.
	ring := filepath.Base(l.path)
	if want := []string{ring, ring + ".seen"}; l.acks > 0 && !slices.Equal(l.replaced, want) {
		l.t.Errorf("rotation %d replaced %s, not %s", l.acks, l.replaced, want)
	}
	l.acks, l.replaced = l.acks+1, nil
}
