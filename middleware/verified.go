package middleware

import (
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// verified is a credential that was verified in full, and what it says. Only the
// atomic fields change once it is in the cache, and what belongs to a queue. The
// first ones are all that most requests need, so they stand together.
type verified struct {
	hash    uint32
	seen    atomic.Uint32            // lives when it is seen, one less each time that it could be given up
	next    atomic.Pointer[verified] // in its bucket
	cred    credential
	from    int64         // Unix nanoseconds from which the clock allows it
	until   int64         // and until which
	clean   atomic.Uint64 // the version of the list in which nothing matched last; 0: none yet
	signKey string        // the kid that it was verified with
	sealKey string        // the kid that a cookie was opened with

	id      string // sid, as text
	data    []byte // of a cookie
	token   string
	claims  *tokens.Claims
	targets []revocation.Target // of the claims: the names in them are hashed once

	ahead, behind *verified // in its queue
	size          int       // bytes, about
}

// newVerified takes what Verify said of a credential, and OpenSession if it is a
// cookie.
func newVerified(cred credential, c *tokens.Claims, cookie *tokens.Session, leeway time.Duration) *verified {
	cred.value = strings.Clone(cred.value) // out of a header that may be much longer
	v := &verified{cred: cred, signKey: c.KeyID, token: cred.value, claims: c, targets: revocation.Targets(c)}
	if cookie != nil {
		v.sealKey, v.token, v.data = cookie.KeyID, cookie.Token, cookie.Data
	}
	if !c.SessionID.IsZero() {
		v.id = c.SessionID.String()
	}
	from, until := c.Window(leeway)
	v.from, v.until = from.UnixNano(), until.UnixNano()
	v.size = v.bytes()
	return v
}

// is reports whether v is what was verified for cred: every byte of it. A token
// and a cookie are never the same.
func (v *verified) is(cred credential) bool {
	return v.cred.cookie == cred.cookie && v.cred.value == cred.value
}

// mark notes that v was seen. It mostly only reads, so that two cores that see
// it do not hinder each other.
func (v *verified) mark() {
	if v.seen.Load() < lives {
		v.seen.Store(lives)
	}
}

func (v *verified) expired(now time.Time) bool { return now.UnixNano() >= v.until }

// stands reports whether verifying v again would still succeed: the clock is
// where it was good, and the keys that it was verified and opened with are still
// there. A kid is the thumbprint of its key, so there is no need to compare more.
// Where it does not stand, verifying says why.
func (g *Guard) stands(v *verified, now time.Time) bool {
	if t := now.UnixNano(); t < v.from || t >= v.until {
		return false
	}
	return g.holds(v.signKey, keys.AccessToken, now) &&
		(!v.cred.cookie || g.holds(v.sealKey, keys.SessionCookie, now))
}

// holder is a Trust that says quicker than by Key whether Key would find one. A
// follower is.
type holder interface {
	Holds(kid string, p keys.Purpose, now time.Time) bool
}

func (g *Guard) holds(kid string, p keys.Purpose, now time.Time) bool {
	if g.holder != nil {
		return g.holder.Holds(kid, p, now)
	}
	k, err := g.trust.Key(kid, p, now)
	return err == nil && k.ID == kid && k.Purpose == p
}

// revoked asks the list, or knows that it has not changed since it was asked.
// Its version comes first: what is added in between is found the next time.
func (g *Guard) revoked(v *verified) error {
	list := g.live.list
	version := list.Version()
	if v.clean.Load() == version {
		return nil
	}
	if e, ok := list.MatchTargets(v.claims, v.targets); ok {
		return ended(e)
	}
	v.clean.Store(version)
	return nil
}

// bytes is about the memory that v takes: itself, its texts, which are in the
// claims once more, and what allocations are rounded up by.
func (v *verified) bytes() int {
	c := v.claims
	n := int(unsafe.Sizeof(*v)+unsafe.Sizeof(*c)) + len(v.id) + len(v.data) + 2*len(v.token)
	if v.cred.cookie {
		n += len(v.cred.value)
	}
	n += len(v.targets) * int(unsafe.Sizeof(revocation.Target{}))
	n += (len(c.Audience) + len(c.Scope) + len(c.Roles) + len(c.Actors)) * int(unsafe.Sizeof(""))
	return n + n/8
}
