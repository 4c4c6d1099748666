package main

import (
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	// entryLife is how long an entry stays on the feed with the default
	// settings: the life of an access token, the longest time that a replica
	// goes on refreshing without its store, and twice the skew.
	entryLife = 5*time.Minute + 15*time.Minute + 2*time.Minute
	// What an entry names is past, whoever hears of it, after the life of the
	// longest session; after that of an access token where only that is meant.
	longest = 12*time.Hour + 7*time.Minute
	stale   = 7 * time.Minute

	heartbeat = time.Second
	batching  = 100 * time.Millisecond // frames closer together than this become one

	epoch = 0x5ea1_0000_0000_0001
)

// feed is the auth service's side: it makes one signed frame of what comes
// close together, and counts the bytes that each verifier is sent.
type feed struct {
	key      keys.Key
	pos      revocation.Position
	pending  []revocation.Entry
	flushed  time.Time
	due      time.Time // when the batch timer fires; zero: it is not set
	nextBeat time.Time
	verifier *verifier

	deltas, entries, bytes int // sent with entries in them
	beats, beatBytes       int
}

func newFeed(start time.Time) (*feed, error) {
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, start)
	if err != nil {
		return nil, err
	}
	key, err := ring.Current(keys.Feed, start)
	if err != nil {
		return nil, err
	}
	return &feed{
		key:      key,
		pos:      revocation.Position{Epoch: epoch, Cursor: revocation.Cursor{Ms: uint64(start.UnixMilli())}},
		nextBeat: start.Add(heartbeat),
		verifier: &verifier{src: ring, list: revocation.NewList()},
	}, nil
}

// passTo lets the timers fire that are due before now.
func (f *feed) passTo(now time.Time) error {
	for {
		next, do := f.nextBeat, f.beat
		if !f.due.IsZero() && f.due.Before(next) {
			next, do = f.due, f.flush
		}
		if next.After(now) {
			return nil
		}
		if err := do(next); err != nil {
			return err
		}
	}
}

// append is one revocation: sent at once after a quiet moment, else with those
// that come soon after it.
func (f *feed) append(now time.Time, e revocation.Entry) error {
	f.pending = append(f.pending, e.OnFeed(entryLife))
	if now.Sub(f.flushed) >= batching {
		return f.flush(now)
	}
	f.due = now.Add(batching)
	return nil
}

func (f *feed) flush(now time.Time) error {
	f.due = time.Time{}
	if len(f.pending) == 0 {
		return nil
	}
	next := revocation.Position{Epoch: epoch, Cursor: revocation.Cursor{Ms: uint64(now.UnixMilli())}}
	n, err := f.send(now, next, f.pending)
	if err != nil {
		return err
	}
	f.deltas, f.entries, f.bytes = f.deltas+1, f.entries+len(f.pending), f.bytes+n
	f.pending, f.flushed = nil, now
	return nil
}

func (f *feed) beat(now time.Time) error {
	f.nextBeat = now.Add(heartbeat)
	if err := f.flush(now); err != nil {
		return err
	}
	n, err := f.send(now, f.pos, nil)
	f.beats, f.beatBytes = f.beats+1, f.beatBytes+n
	return err
}

// send signs a delta, has the verifier take it and returns the length of its
// event.
func (f *feed) send(now time.Time, to revocation.Position, entries []revocation.Entry) (int, error) {
	d := &revocation.Frame{Kind: revocation.Delta, PrevEpoch: f.pos.Epoch, Prev: f.pos.Cursor, Pos: to, AsOf: now, Entries: entries}
	jws, err := f.sign(d, now)
	if err != nil {
		return 0, err
	}
	f.pos = to
	return eventLen(to, jws), f.verifier.take(jws, now)
}

// snapshot signs all that the list holds.
func (f *feed) snapshot(now time.Time) (jws []string, bytes int, err error) {
	all := &revocation.Frame{Kind: revocation.Snapshot, Pos: f.pos, AsOf: now, Entries: f.verifier.list.Entries(now)}
	for _, part := range all.Parts(revocation.MaxFrameEntries) {
		one, err := f.sign(&part, now)
		if err != nil {
			return nil, 0, err
		}
		jws, bytes = append(jws, one), bytes+eventLen(part.Pos, one)
	}
	return jws, bytes, nil
}

func (f *feed) sign(d *revocation.Frame, now time.Time) (string, error) {
	payload, err := d.MarshalBinary()
	if err != nil {
		return "", err
	}
	return tokens.SignBytes(tokens.TypFeed, payload, f.key)
}

// eventLen is the length of a server-sent event. What HTTP, TLS and TCP add to
// it, some hundred bytes, is theirs.
func eventLen(p revocation.Position, jws string) int {
	return len("id: \ndata: \n\n") + len(p.String()) + len(jws)
}

// verifier is a service's side.
type verifier struct {
	src  keys.Source
	pos  revocation.Position
	list *revocation.List
}

// take does what a verifier does with a frame.
func (v *verifier) take(jws string, now time.Time) error {
	payload, err := tokens.VerifyBytes(tokens.TypFeed, jws, v.src, now)
	if err != nil {
		return err
	}
	frame, err := revocation.ParseFrame(payload)
	if err != nil {
		return err
	}
	v.list.Apply(now, frame.Entries...)
	if next, ok := frame.Advance(v.pos); ok {
		v.pos = next
		return nil
	}
	return fmt.Errorf("a gap before %v", frame.Pos)
}
