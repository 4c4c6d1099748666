package authsvc

import (
	"container/list"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	verifierLease = 30 * time.Second // how long one that has gone counts as live: it is about to come back
	verifierKept  = time.Hour        // how long it is remembered
)

// verifiers remembers, in memory alone, who follows the feed and which keys
// each holds. Those who are connected are as many as the desk lets in; of
// those who have gone, the last `most` are kept, oldest out first. Nothing but
// the list for the administrator walks over them all.
type verifiers struct {
	born time.Time
	most int

	mu   sync.Mutex
	all  map[verifierName]*verifier
	gone *list.List // of *verifier, in the order in which they went
}

// verifierName: an id counts under the client that used it, so that nobody
// speaks for another's verifier.
type verifierName struct {
	client string
	id     tokens.ID
}

// verifier is one follower. Except for the last part it belongs to
// verifiers.mu.
type verifier struct {
	name       verifierName
	remote     string
	streams    int           // open now: a new one may come before the old one is missed
	place      *list.Element // among the gone; nil while there are streams
	since      time.Time     // when streams became more than none, or none
	generation uint64        // of the keys it holds; 0: it has not said
	reported   time.Time     // when it last said so

	mu   sync.Mutex // of these two, which every event that is sent changes
	pos  revocation.Position
	sent time.Time
}

func newVerifiers(most int, now time.Time) *verifiers {
	return &verifiers{born: now, most: most, all: map[verifierName]*verifier{}, gone: list.New()}
}

// join notes that a follower has connected, and what it says it holds. The
// caller must call leave.
func (v *verifiers) join(name verifierName, remote string, holding *uint64, now time.Time) *verifier {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.known(name)
	if f.place != nil {
		v.gone.Remove(f.place)
		f.place = nil
	}
	if f.streams == 0 {
		f.since = now
	}
	f.streams++
	f.remote = remote
	if holding != nil { // also less than before: its issuer may have made its keys anew
		f.generation, f.reported = *holding, now
	}
	return f
}

// leave undoes join.
func (v *verifiers) leave(f *verifier, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.streams--; f.streams == 0 {
		v.went(f, now)
	}
}

// report notes what a follower says that it holds now. Behind a balancer it
// may follow another replica's feed, and be known here by this alone. Less
// than it held before is an old report that comes late, or of a relay that has
// not heard of more.
func (v *verifiers) report(name verifierName, remote string, generation uint64, pos revocation.Position, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.known(name)
	if f.streams == 0 {
		if f.place != nil {
			v.gone.Remove(f.place)
		}
		f.remote = remote
		f.told(pos, now)
		v.went(f, now)
	}
	if generation > 0 && generation >= f.generation {
		f.generation, f.reported = generation, now
	}
}

// known finds the follower, or makes it. The lock is held.
func (v *verifiers) known(name verifierName) *verifier {
	f := v.all[name]
	if f == nil {
		f = &verifier{name: name}
		v.all[name] = f
	}
	return f
}

// went puts a follower among the gone and forgets the oldest of them. The lock
// is held.
func (v *verifiers) went(f *verifier, now time.Time) {
	f.since, f.place = now, v.gone.PushBack(f)
	for e := v.gone.Front(); e != nil; e = v.gone.Front() {
		old := e.Value.(*verifier)
		if v.gone.Len() <= v.most && now.Sub(old.since) < verifierKept {
			return
		}
		v.gone.Remove(e)
		delete(v.all, old.name)
	}
}

// told notes up to where the follower has been sent everything. It may be
// called on nil, which stands for one that has not named itself.
func (f *verifier) told(pos revocation.Position, now time.Time) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pos, f.sent = pos, now
}

// live reports whether the follower is connected, or is about to be again.
func (f *verifier) live(now time.Time) bool {
	return f.streams > 0 || now.Sub(f.since) < verifierLease
}
