package keys

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// Set is an immutable key set: what a verifier holds. It knows no times: a
// key is good as long as the set has it. It implements Source.
type Set struct {
	keys []Key // sorted by purpose and kid
}

// Key implements Source. It is ErrUnknownKey for a kid that the set does not
// have or has for another purpose. The time is not looked at.
func (s *Set) Key(kid string, p Purpose, _ time.Time) (Key, error) {
	for i := range s.keys { // a Key is long: only the one found is copied
		if k := &s.keys[i]; k.ID == kid && k.Purpose == p {
			return *k, nil
		}
	}
	return Key{}, ErrUnknownKey
}

// Has reports whether Key would find one, without the cost of handing it out.
func (s *Set) Has(kid string, p Purpose) bool {
	for i := range s.keys {
		if k := &s.keys[i]; k.ID == kid && k.Purpose == p {
			return true
		}
	}
	return false
}

// Keys returns the keys, sorted by purpose and kid. They have no times.
func (s *Set) Keys() []Key { return slices.Clone(s.keys) }

// Keeping returns the same set, with the keys that old has too taken from there: a
// kid names its material, and what was made of that since is kept (see Key.Table). old
// may be nil.
func (s *Set) Keeping(old *Set) *Set {
	if old == nil {
		return s
	}
	kept := s.Keys()
	for i, k := range kept {
		if o, err := old.Key(k.ID, k.Purpose, time.Time{}); err == nil {
			kept[i] = o
		}
	}
	return &Set{keys: kept}
}

// Format prints the set's size for every verb.
func (s *Set) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("key set of %d keys", len(s.keys)))
}

// MergeSets returns the union. Nil sets are passed over. A kid names its
// material, so a key that is in several is the same in all.
func MergeSets(sets ...*Set) *Set {
	var all []Key
	for _, s := range sets {
		if s != nil {
			all = append(all, s.keys...)
		}
	}
	return newSet(all)
}

func newSet(keys []Key) *Set {
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(slices.Index(Purposes(), a.Purpose)-slices.Index(Purposes(), b.Purpose), cmp.Compare(a.ID, b.ID))
	})
	return &Set{keys: slices.CompactFunc(keys, func(a, b Key) bool { return a.ID == b.ID })}
}
