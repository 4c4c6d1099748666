package middleware

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// cacheBytes is how much memory a guard spends at most on remembering what it
// has verified: 65,000 tokens of some 500 bytes. It takes it as tokens come, and
// gives it back as they expire.
const cacheBytes = 128 << 20

// cache remembers credentials that were verified, so that one which comes again
// costs no signature check. It holds nothing that was refused, and says nothing
// about now: whatever the clock, the keys or the revocations may have changed
// since is asked on every hit (see stands). It belongs to one guard, whose demands
// never change, and a credential is found by every byte of it: a keyed hash only
// says where to look.
//
// Who can get many valid tokens must not push the others' out. So a credential
// is on trial first, in an eighth of the room, and is dropped at the end of that
// if it was not seen again; what was is kept, and given up only when it was not
// seen for some rounds. Of what was dropped the hash stays for a while, so that it
// counts as seen again when it comes back. (This is S3-FIFO.) While there is room
// nothing is dropped but what has expired.
//
// Readers take no lock. Writers do, behind a signature check that takes a
// hundred times as long.
type cache struct {
	seed    maphash.Seed
	buckets []atomic.Pointer[verified] // each a chain; a power of two of them

	mu     sync.Mutex // of writers
	trial  queue
	kept   queue
	hand   *verified // in kept: up to where it was looked for what has expired; nil: begin anew
	ghosts []uint32  // hashes of what was dropped, each in the one place for it
}

const (
	buckets = 1 << 15
	// tail is how much of a credential is hashed.
	tail = 64
	// looked is how many credentials a writer looks at for one that can be given
	// up, so that it is never long.
	looked = 64
	// swept is how many it looks at for one that has expired.
	swept = 2
	// lives is how many rounds a credential stays that is not seen again.
	lives = 3
)

// newCache returns a cache that takes at most so many bytes; with none it holds
// nothing.
func newCache(bytes int) *cache {
	return &cache{
		seed:    maphash.MakeSeed(),
		buckets: make([]atomic.Pointer[verified], buckets),
		trial:   queue{most: bytes / 8},
		kept:    queue{most: bytes - bytes/8},
		ghosts:  make([]uint32, buckets),
	}
}

// find returns what was verified for exactly this credential, or nil.
func (c *cache) find(cred credential) *verified {
	h := c.hash(cred.value)
	for v := c.bucket(h).Load(); v != nil; v = v.next.Load() {
		if v.hash == h && v.is(cred) {
			v.mark()
			return v
		}
	}
	return nil
}

// hash looks at the end of a credential, which is of its signature or seal and
// no less random than the whole: nobody can get two that are valid and end alike.
func (c *cache) hash(value string) uint32 {
	return uint32(maphash.String(c.seed, value[max(0, len(value)-tail):]))
}

func (c *cache) bucket(h uint32) *atomic.Pointer[verified] {
	return &c.buckets[h&uint32(len(c.buckets)-1)]
}

// put remembers a credential that was verified in full.
func (c *cache) put(v *verified, now time.Time) {
	v.hash = c.hash(v.cred.value)
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.bucket(v.hash)
	for o := head.Load(); o != nil; o = o.next.Load() {
		if o.is(v.cred) {
			return // verified twice at once
		}
	}
	if *c.ghost(v.hash) == v.hash {
		v.mark()
	}
	v.next.Store(head.Load())
	head.Store(v)
	c.trial.push(v)
	for c.trial.bytes > c.trial.most {
		c.promote(c.trial.first, now)
	}
	c.sweep(now)
}

// promote ends a trial.
func (c *cache) promote(v *verified, now time.Time) {
	c.trial.remove(v)
	again := v.seen.Swap(0) > 0
	if !c.room(v.size, again, now) {
		c.drop(v)
		return
	}
	c.kept.push(v)
}

// room makes room among what is kept, if it may, by giving up what was not seen
// for the longest.
func (c *cache) room(size int, may bool, now time.Time) bool {
	for range looked {
		if c.kept.bytes+size <= c.kept.most {
			return true
		}
		if !may || c.kept.first == nil {
			return false
		}
		o := c.kept.first
		if o == c.hand {
			c.hand = o.behind
		}
		c.kept.remove(o)
		if left := o.seen.Load(); left > 0 && !o.expired(now) {
			o.seen.Store(left - 1)
			c.kept.push(o)
			continue
		}
		c.drop(o)
	}
	return false
}

// sweep lets go of what has expired. With each credential that comes it looks at
// two more, so there are never many more dead than alive.
func (c *cache) sweep(now time.Time) {
	for range swept {
		o := c.hand
		if o == nil {
			o = c.kept.first
		}
		if o == nil {
			return
		}
		c.hand = o.behind
		if o.expired(now) {
			c.kept.remove(o)
			c.drop(o)
		}
	}
}

func (c *cache) ghost(h uint32) *uint32 { return &c.ghosts[h&uint32(len(c.ghosts)-1)] }

// drop takes a credential out of its chain. A reader that stands at it goes on
// by its next, which stays.
func (c *cache) drop(v *verified) {
	*c.ghost(v.hash) = v.hash
	at := c.bucket(v.hash)
	for at.Load() != v {
		at = &at.Load().next
	}
	at.Store(v.next.Load())
}
