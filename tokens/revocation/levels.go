package revocation

import (
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// A table is merged into a new one that follows it unless it is more than
// growth times larger, and always while it holds no more than small entries.
const (
	growth = 8
	small  = 128
)

func (ls levels) len() (n int) {
	for _, t := range ls {
		n += t.n
	}
	return n
}

// holds reports whether any table has an entry of the type.
func (ls levels) holds(typ Type) bool {
	for _, t := range ls {
		if t.count[typ] > 0 {
			return true
		}
	}
	return false
}

// find returns what the tables hold on a target, nil if nothing. The newest
// table that has it is right: what is taken in is merged with what was there.
func (ls levels) find(typ Type, id *[16]byte) *Entry {
	h := hash(typ, id)
	for i := len(ls) - 1; i >= 0; i-- {
		if e := ls[i].find(typ, id, h); e != nil {
			return e
		}
	}
	return nil
}

// add returns the levels with the entries in them. Those that are expired, or
// that the levels cover already, are left out.
func (ls levels) add(now time.Time, entries []Entry) levels {
	fresh := ls.fresh(now, entries)
	if len(fresh) == 0 {
		return ls
	}
	keep, n := len(ls), len(fresh)
	for keep > 0 && ls[keep-1].n <= max(growth*n, small) {
		keep--
		n += ls[keep].n
	}
	merged := append(levels{tableOf(fresh)}, ls[keep:]...)
	next := append(make(levels, 0, keep+1), ls[:keep]...)
	if t := newTable(merged, now); t != nil {
		next = append(next, t)
	}
	return next
}

func (ls levels) fresh(now time.Time, entries []Entry) []Entry {
	fresh := make([]Entry, 0, len(entries))
	for _, e := range entries {
		if e.Expired(now) || e.Validate() != nil {
			continue
		}
		if old := ls.find(e.Type, &e.ID); old != nil {
			if old.Covers(e) {
				continue
			}
			e = e.Merge(*old)
		}
		fresh = append(fresh, e)
	}
	return fresh
}

// sweep returns the levels with every table rebuilt of which enough has
// expired.
func (ls levels) sweep(now time.Time) levels {
	due := false
	for _, t := range ls {
		due = due || expired(t.sweepAt, now)
	}
	if !due {
		return ls
	}
	next := make(levels, 0, len(ls))
	for _, t := range ls {
		if expired(t.sweepAt, now) {
			t = newTable(levels{t}, now)
		}
		if t != nil {
			next = append(next, t)
		}
	}
	return next
}

func same(a, b levels) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// match looks for the session and the token, which need no hash, then for
// names, and only for types that the list holds.
func (ls levels) match(c *tokens.Claims) *Entry {
	if len(ls) == 0 {
		return nil
	}
	if !c.SessionID.IsZero() {
		if e := ls.find(Session, (*[16]byte)(&c.SessionID)); e != nil {
			return e
		}
	}
	if !c.ID.IsZero() {
		if e := ls.find(Token, (*[16]byte)(&c.ID)); e != nil {
			return e
		}
	}
	if e := ls.named(Key, c, c.KeyID); e != nil {
		return e
	}
	return ls.matchLogin(c)
}

// matchLogin looks for what kills by the time of the login.
func (ls levels) matchLogin(c *tokens.Claims) *Entry {
	if e := ls.find(All, new([16]byte)); e != nil && began(c) < int64(e.T) {
		return e
	}
	if e := ls.named(Subject, c, c.Subject); e != nil {
		return e
	}
	if e := ls.named(Client, c, c.ClientID); e != nil {
		return e
	}
	for _, aud := range c.Audience {
		if e := ls.named(Audience, c, aud); e != nil {
			return e
		}
	}
	return nil
}

func (ls levels) named(typ Type, c *tokens.Claims, value string) *Entry {
	if value == "" || !ls.holds(typ) {
		return nil
	}
	id := hashed(typ, c.Issuer, value)
	e := ls.find(typ, &id)
	if e == nil || typ.notBefore() && began(c) >= int64(e.T) {
		return nil
	}
	return e
}
