package authsvc_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

const sealingFile = "SEALRING_SEALING_KILL_TEST"

// The key of the kill test: its limit and the size of a block.
const (
	killMost  = 3000
	killBlock = 16
)

var killMaster = []byte("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")

// TestSealingChild is a process that the next test kills: it seals as fast as
// it can and prints a line for each time that it might, before anything else
// happens. It ends well when the key is used up.
func TestSealingChild(t *testing.T) {
	path := os.Getenv(sealingFile)
	if path == "" {
		return // only as a child
	}
	master, err := ringfile.ParseMasterKey(killMaster)
	must(t, err)
	file, err := ringfile.Open(path, master)
	must(t, err)
	count := authsvc.CountSeals(insisting(file), file.Ring, killMost+1, killMost, killBlock)
	var sealing sync.WaitGroup
	for range 4 {
		sealing.Go(func() {
			for count(keys.SessionCookie) == nil {
				if _, err := os.Stdout.WriteString("sealed\n"); err != nil {
					os.Exit(1)
				}
			}
		})
	}
	sealing.Wait()
}

// Two replicas that are killed again and again (kill -9) never seal more with
// a key than it may, all together.
func TestKilledReplicasSealNoMoreThanTheKeyMay(t *testing.T) {
	t.Parallel()
	master, err := ringfile.ParseMasterKey(killMaster)
	must(t, err)
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now().Add(-time.Second))
	must(t, err)
	path := filepath.Join(t.TempDir(), "ring.jwe")
	must(t, ringfile.Create(path, master, ring))
	var sealed, kills atomic.Int64
	var replicas sync.WaitGroup
	for range 2 {
		replicas.Go(func() {
			for spent := false; !spent && sealed.Load() <= killMost; { // more is a failure already
				spent = sealUntilKilled(t, path, &sealed)
				kills.Add(1)
			}
		})
	}
	replicas.Wait()
	file, err := ringfile.Open(path, master)
	must(t, err)
	k, err := file.Ring().Current(keys.SessionCookie, time.Now())
	must(t, err)
	t.Logf("%d seals by processes killed %d times; the ring counts %d", sealed.Load(), kills.Load()-2, k.Seals)
	if n := sealed.Load(); n > killMost || n < killMost/10 || k.Seals != killMost {
		t.Errorf("%d seals and a count of %d, want at most %d and just that", n, k.Seals, killMost)
	}
}

// sealUntilKilled runs a child for some seals and reports whether it has come
// to the end of the key by itself.
func sealUntilKilled(t *testing.T, path string, sealed *atomic.Int64) (spent bool) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestSealingChild$")
	cmd.Env = append(os.Environ(), sealingFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return true
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return true
	}
	stop := 1 + rand.IntN(300)
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		if lines.Text() != "sealed" {
			continue
		}
		sealed.Add(1)
		if n++; n == stop {
			_ = cmd.Process.Kill()
		}
	}
	return cmd.Wait() == nil
}
