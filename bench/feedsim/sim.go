package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// load is how many of all sessions a day would end by a revocation, if it went
// on like that for a day.
type load struct {
	name   string
	perDay float64
}

// loads: most people never log out. The busiest hour has five times the
// average; in the last one every second session is logged out of.
var loads = []load{{"5 % a day", 0.05}, {"5 % a day, at its peak (× 5)", 0.25}, {"50 % a day", 0.5}}

// scenario is a number of sessions under a load, watched for a while once the
// list has become as long as it gets.
type scenario struct {
	sessions float64
	load     load
	watched  time.Duration
}

func scenarios() (all []scenario) {
	for _, size := range []struct {
		sessions float64
		watched  time.Duration
	}{{1e6, 20 * time.Minute}, {1e8, time.Minute}, {1e9, 10 * time.Second}} {
		for _, l := range loads {
			all = append(all, scenario{size.sessions, l, size.watched})
		}
	}
	return all
}

func (s scenario) String() string { return count(s.sessions) + " sessions, " + s.load.name }

// perSecond is the rate of revocations.
func (s scenario) perSecond() float64 { return s.sessions * s.load.perDay / (24 * 60 * 60) }

// result is what was found.
type result struct {
	scenario
	entries       int // on the list, at the end
	snapshot      int // bytes of its events: one, but for a very long list
	deltas        int // sent while it was watched, and in them
	deltaEntries  int
	deltaBytes    int
	bytes         int           // sent, heartbeats included
	memory        uint64        // that the verifier's list takes
	snapshotTaken time.Duration // by a new verifier
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (s scenario) simulate() (result, error) {
	f, err := newFeed(start)
	if err != nil {
		return result{}, err
	}
	c := newCrowd(s)
	c.warm(f.verifier.list)
	f.startAt(c.now)
	end := c.now.Add(s.watched)
	for at, e := c.next(); at.Before(end); at, e = c.next() {
		if err := f.passTo(at); err != nil {
			return result{}, err
		}
		if err := f.append(at, e); err != nil {
			return result{}, err
		}
	}
	if err := f.passTo(end); err != nil {
		return result{}, err
	}
	r := result{
		scenario: s, entries: c.alive(end) - len(f.pending),
		deltas: f.deltas, deltaEntries: f.entries, deltaBytes: f.bytes, bytes: f.bytes + f.beatBytes,
	}
	if n := len(f.verifier.list.Entries(end)); n != r.entries {
		return result{}, fmt.Errorf("the verifier holds %d entries of %d", n, r.entries)
	}
	if err := r.takeSnapshot(f, end); err != nil {
		return result{}, err
	}
	r.memory = f.verifier.letGo()
	return r, nil
}

// startAt begins the feed anew at a later time, with a verifier that has
// followed it so far.
func (f *feed) startAt(now time.Time) {
	f.pos.Cursor.Ms = uint64(now.UnixMilli())
	f.verifier.pos = f.pos
	f.flushed, f.nextBeat = now, now.Add(heartbeat)
}

func (r *result) takeSnapshot(f *feed, now time.Time) error {
	parts, bytes, err := f.snapshot(now)
	if err != nil {
		return err
	}
	r.snapshot = bytes
	v := &verifier{src: f.verifier.src, list: revocation.NewList()}
	began := time.Now()
	for _, jws := range parts {
		if err := v.take(jws, now); err != nil {
			return err
		}
	}
	r.snapshotTaken = time.Since(began)
	if v.list.Len() != r.entries {
		return fmt.Errorf("the snapshot holds %d entries of %d", v.list.Len(), r.entries)
	}
	return nil
}

// crowd draws the revocations of a scenario.
type crowd struct {
	dice      *rand.Rand
	perSecond float64
	now       time.Time
	expiring  map[uint32]int // by second, those that were drawn
}

func newCrowd(s scenario) *crowd {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(s.sessions))
	binary.LittleEndian.PutUint64(seed[8:], uint64(s.load.perDay*1000))
	return &crowd{rand.New(rand.NewChaCha8(seed)), s.perSecond(), start, map[uint32]int{}}
}

// warm fills a list as the time does in which an entry lives. It goes by the
// minute: what a frame weighs is watched later.
func (c *crowd) warm(list *revocation.List) {
	const step = time.Minute
	var batch []revocation.Entry
	for end := c.now.Add(step); !end.After(start.Add(entryLife)); end = end.Add(step) {
		at, e := c.next()
		for ; at.Before(end); at, e = c.next() {
			batch = append(batch, e.OnFeed(entryLife))
		}
		// The last drawn is of the next minute, and taken now, too.
		list.Apply(end, append(batch, e.OnFeed(entryLife))...)
		batch = batch[:0]
	}
}

// next draws a revocation: the time to it is exponential, as that between the
// independent decisions of many is. Nearly all are sessions that end.
func (c *crowd) next() (time.Time, revocation.Entry) {
	c.now = c.now.Add(time.Duration(c.dice.ExpFloat64() / c.perSecond * float64(time.Second)))
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:], c.dice.Uint64())
	binary.LittleEndian.PutUint64(id[8:], c.dice.Uint64())
	e := revocation.SessionEntry(id, c.now, c.now.Add(longest))
	switch p := c.dice.Float64(); {
	case p < 0.01: // log out everywhere, a changed password
		e.Type = revocation.Subject
	case p < 0.03: // a changed role: the claims are stale, the session goes on
		e.Type, e.Exp = revocation.Claims, uint32(c.now.Add(stale).Unix())
	}
	e.Made = uint32(c.now.Unix())
	c.expiring[e.FeedExpiry(entryLife)]++
	return c.now, e
}

// alive is how many of those drawn are on the feed still, but the last one,
// which lies beyond the end.
func (c *crowd) alive(now time.Time) int {
	n := -1
	for exp, k := range c.expiring {
		if int64(exp) > now.Unix() {
			n += k
		}
	}
	return n
}

// letGo drops the list and returns how much memory that has freed.
func (v *verifier) letGo() uint64 {
	held := heap()
	v.list = nil
	return held - heap()
}

// heap returns how many bytes are alive.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first found to be free is swept then
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
