package authsvc

import (
	"errors"
	"sync"
)

// desk counts who is being served by the feed. It lets nobody in beyond its
// size or once it closes, and closing waits for everybody to leave.
type desk struct {
	mu     sync.Mutex
	size   int
	open   int
	closed bool
	left   int           // who was there when it closed
	done   chan struct{} // closed with the desk
	inside sync.WaitGroup
}

var (
	errFull    = errors.New("too many subscribers")
	errClosing = errors.New("shutting down")
)

func newDesk(size int) *desk { return &desk{size: size, done: make(chan struct{})} }

// enter lets one in, who must call leave.
func (d *desk) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return unavailable(errClosing)
	case d.open >= d.size:
		return unavailable(errFull)
	}
	d.open++
	d.inside.Add(1)
	return nil
}

func (d *desk) leave() {
	d.mu.Lock()
	d.open--
	d.mu.Unlock()
	d.inside.Done()
}

// close asks everybody to leave and waits until they have.
func (d *desk) close() {
	d.mu.Lock()
	if !d.closed {
		d.closed, d.left = true, d.open
		close(d.done)
	}
	d.mu.Unlock()
	d.inside.Wait()
}

// window returns within how many milliseconds everybody should come back,
// evenly spread: a thousand each second, half a minute at most. When the desk
// closes it is the same for the last to leave as for the first.
func (d *desk) window() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return min(max(d.open, d.left, 1), 30_000)
}
