package ringfile

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sealring-dev/sealring/keys"
)

// PollEvery is how often Watch looks even if nothing was reported: network
// file systems report nothing, and a swapped folder is another one. Looks are
// closer where a lease is short: it must not run out between two of them.
const PollEvery = 30 * time.Second

const looksPerLease = 4

// Watch follows the file until ctx ends, and blocks as long: run it in a
// goroutine of your own. It calls changed with the ring at its start and with
// every new one, and failed (which may be nil) with each new fault: a file
// that is refused, a folder that can not be watched. After a fault the copy
// stays, and Watch goes on. Both are called from one goroutine. It returns
// nil when ctx ends.
func (f *File) Watch(ctx context.Context, changed func(*keys.Ring), failed func(error)) error {
	tick := time.NewTicker(min(PollEvery, f.Ring().Plan().Lease/looksPerLease))
	defer tick.Stop()
	return f.watch(ctx, changed, failed, tick.C)
}

func (f *File) watch(ctx context.Context, changed func(*keys.Ring), failed func(error), tick <-chan time.Time) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the ring %s: %w", f.path, err)
	}
	defer w.Close()
	t := &teller{changed: changed, failed: failed}
	// The folder, since a rename replaces the file that a watch would be on.
	// Watch first, then look: nothing falls in between.
	folder := filepath.Dir(f.path)
	t.tell(f, w.Add(folder))
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if filepath.Base(e.Name) == filepath.Base(f.path) {
				t.tell(f, nil)
			}
		case err := <-w.Errors:
			t.tell(f, err)
		case <-tick:
			t.tell(f, w.Add(folder)) // again: the folder may be another one now
		}
	}
}

// teller passes on what is new.
type teller struct {
	changed func(*keys.Ring)
	failed  func(error)
	ring    *keys.Ring
	fault   string
}

// tell looks at the file and reports a ring or a fault that was not reported
// yet. A fault that comes back after it went is a new one.
func (t *teller) tell(f *File, fault error) {
	if err := f.load(); err != nil {
		fault = err
	}
	if fault == nil {
		t.fault = ""
	} else if text := fault.Error(); text != t.fault {
		t.fault = text
		if t.failed != nil {
			t.failed(fault)
		}
	}
	if ring := f.Ring(); ring != t.ring {
		t.ring = ring
		t.changed(ring)
	}
}
