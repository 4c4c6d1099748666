package authsvc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	manyFrames    = 256             // after a snapshot are too many to send to every newcomer
	manyBytes     = 256 << 10       // and so are these, unless the snapshot is as large
	maxTail       = 64 << 20        // beyond it no newcomer is served before there is another snapshot
	snapshotEvery = 2 * time.Second // at most
)

// heard takes an event over from the follower, which has checked it. Whatever
// moved the follower's position moves the view's.
func (r *Relay) heard(e issuer.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Keys != nil:
		r.passKeys(e)
	case e.Frame.Kind == revocation.Snapshot || len(r.begun) > 0:
		r.gather(e)
	default:
		r.pass(e)
	}
	if v := r.view.Load(); v != nil && v.wantsSnapshot() {
		r.wantSnapshot()
	}
}

func (r *Relay) wantSnapshot() {
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// passKeys shows another key set. The lock is held.
func (r *Relay) passKeys(e issuer.Event) {
	r.keySet = e.Keys
	r.jwks.outdated.Store(true)
	if e.JWS == r.keysJWS { // as after each connection
		return
	}
	r.keysJWS = e.JWS
	if v := r.view.Load(); v != nil {
		next := *v
		next.keys, next.keysNo = event("keys", "", e.JWS), v.keysNo+1
		next.distrust(e.Keys, r.now())
		r.publish(&next)
	}
}

// gather takes in a part of a snapshot, and begins with the last one: the
// follower hands over only what joins on. The lock is held.
func (r *Relay) gather(e issuer.Event) {
	if e.Frame.Kind == revocation.Snapshot {
		r.begun = nil
	}
	r.begun = append(r.begun, framed(e.Frame, kidOf(e.JWS), e.JWS))
	if !e.Frame.Pos.Partial() {
		r.begin(r.begun)
		r.begun = nil
	}
}

// begin starts from a snapshot. It is not known what lies between it and what
// was shown before: whoever is connected is told so, by finding that the
// frames he lacks are gone. The lock is held.
func (r *Relay) begin(snap parts) {
	next := &view{pos: snap.pos(), base: snap.pos(), snap: snap, keys: event("keys", "", r.keysJWS), keysNo: 1}
	if old := r.view.Load(); old != nil {
		next.first, next.keysNo, next.beatNo, next.spilt = old.end()+1, old.keysNo, old.beatNo, old.spilt
		for _, f := range old.frames {
			next.spilt = later(next.spilt, f.until)
		}
	}
	r.publish(next)
}

// pass shows a frame, or the newest heartbeat. The lock is held.
func (r *Relay) pass(e issuer.Event) {
	v := r.view.Load()
	if v == nil { // can not be: nothing but a snapshot joins on to nothing
		return
	}
	next, f := *v, framed(e.Frame, kidOf(e.JWS), e.JWS)
	if f.unplaced && len(e.Frame.Entries) == 0 {
		next.beat, next.beatKid, next.beatNo = f.event, f.kid, v.beatNo+1
		r.beatAt = r.now()
		r.publish(&next)
		return
	}
	if f.pos.Epoch == v.pos.Epoch && f.pos.Cursor.Compare(v.pos.Cursor) <= 0 {
		// Of a replica that lags behind the one before. What it carries may be
		// news all the same, and no position says so.
		f.pos, f.unplaced, f.until = v.pos, true, lastExpiry(e.Frame.Entries)
	}
	if next.push(f); next.bytes > maxTail && next.snap != nil {
		next.snap, next.pinned = nil, 0
		next.trim()
	}
	r.publish(&next)
}

// wantsSnapshot reports whether what a newcomer is given has grown too long,
// is not there, or will soon not be believed because its key has had a
// successor.
func (v *view) wantsSnapshot() bool {
	if v.snap == nil || v.pinned > manyFrames || v.beat != nil && v.beatKid != v.snap.kid() {
		return true
	}
	size := 0
	for _, f := range v.frames[len(v.frames)-v.pinned:] {
		size += len(f.jws)
	}
	return size > max(manyBytes, v.snap.bytes())
}

// kidOf reads from a header, which somebody else has checked, which key signed
// it.
func kidOf(jws string) string {
	header, _, _ := strings.Cut(jws, ".")
	in, err := tokens.InspectUnverified(header + "..")
	if err != nil {
		return ""
	}
	return in.KeyID
}

// beat repeats the newest heartbeat while none comes, well before verifiers take
// the connection for dead: the connection is alive, though what it carries gets older, as
// its time says.
func (r *Relay) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeat / 8)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		if v := r.view.Load(); v != nil && v.beat != nil && r.now().Sub(r.beatAt) > heartbeat*5/4 {
			next := *v
			next.beatNo++
			r.beatAt = r.now()
			r.publish(&next)
		}
		r.mu.Unlock()
	}
}

// fetchSnapshots fetches another snapshot whenever one is wanted, until there
// is one.
func (r *Relay) fetchSnapshots(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wanted:
		}
		if err := r.fetchSnapshot(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("fetching another snapshot", "err", err)
			r.wantSnapshot()
		}
		if !pause(ctx, snapshotEvery+rand.N(snapshotEvery)) {
			return
		}
	}
}

func (r *Relay) fetchSnapshot(ctx context.Context) error {
	c := r.cfg.Client
	a, err := r.upstream.ask(ctx, question{
		method: http.MethodGet, path: feedPath + "?snapshot=1", authorization: basicAuth(c.ID, c.Secret.Reveal()), large: true,
	})
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("snapshot: status %d", a.status)
	}
	f, snap, err := r.readSnapshot(string(a.body))
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	r.adopt(f, snap)
	return nil
}

var errNoSnapshot = errors.New("not one, or not all of it")

// readSnapshot checks a snapshot in all its parts, and also returns what they
// say as one frame.
func (r *Relay) readSnapshot(lines string) (*revocation.Frame, parts, error) {
	all := &revocation.Frame{Kind: revocation.Snapshot}
	var snap parts
	for jws := range strings.SplitSeq(lines, "\n") {
		payload, err := tokens.VerifyBytes(tokens.TypFeed, jws, r.follower.Load(), r.now())
		if err != nil {
			return nil, nil, err
		}
		f, err := revocation.ParseFrame(payload)
		if err != nil {
			return nil, nil, err
		}
		if len(snap) > 0 && !all.Pos.Partial() { // it was complete before
			return nil, nil, errNoSnapshot
		}
		joined := false
		if all.Pos, joined = f.Advance(all.Pos); !joined {
			return nil, nil, errNoSnapshot
		}
		all.AsOf, all.Entries = f.AsOf, append(all.Entries, f.Entries...)
		snap = append(snap, framed(f, kidOf(jws), jws))
	}
	if all.Pos.Partial() {
		return nil, nil, errNoSnapshot
	}
	return all, snap, nil
}

// adopt puts a snapshot in the place of the one before. Those frames are kept
// before it whose entries it has not: it may be of a replica that lags, or has
// never heard of entries without a place.
func (r *Relay) adopt(f *revocation.Frame, snap parts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := *r.view.Load()
	start, ok := next.after(f.Pos)
	switch {
	case f.Pos.Epoch != next.pos.Epoch:
		return // the stream will say how that hangs together
	case f.Pos.Cursor.Compare(next.pos.Cursor) > 0:
		start = next.end() // ahead of the stream, which brings again what is in it
	case !ok:
		return // older than the frames that are kept
	}
	held := make(map[revocation.Target]revocation.Entry, len(f.Entries))
	for _, e := range f.Entries {
		held[e.Target()] = e
	}
	oldest := next.first
	if next.snap != nil {
		oldest = next.end() - uint64(next.pinned)
	}
	for n := oldest; n < start; n++ {
		if !covered(next.frames[n-next.first].jws, held, r.now()) {
			start = n
		}
	}
	next.snap, next.pinned = snap, int(next.end()-start)
	next.trim()
	r.publish(&next)
}

// covered reports whether all that a frame says is held.
func covered(jws string, held map[revocation.Target]revocation.Entry, now time.Time) bool {
	in, err := tokens.InspectUnverified(jws)
	if err != nil {
		return false
	}
	f, err := revocation.ParseFrame(in.Payload)
	if err != nil {
		return false
	}
	for _, e := range f.Entries {
		if !e.Expired(now) && !held[e.Target()].Covers(e) {
			return false
		}
	}
	return true
}
