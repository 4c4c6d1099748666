package tokens

import (
	"slices"
	"strings"
)

// actor is the act claim (RFC 8693 §4.1) as Sign issues it: who acts, and in it for
// whom that one acted before.
type actor struct {
	Subject string `json:"sub"`
	Before  *actor `json:"act,omitempty"`
}

// actorOf nests names, of which the first is the newest; nil for none.
func actorOf(names []string) (a *actor) {
	for _, name := range slices.Backward(names) {
		a = &actor{name, a}
	}
	return a
}

// actors reads an act claim, and appends to those who stand around it; how many at
// most, validate says. What else an actor says is ignored, as claims are that are not
// known.
func (r *reader) actors(around []string) ([]string, error) {
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	place, named := len(around), false
	list := append(around, "")
	for {
		name, more, err := o.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		switch {
		case name == "sub":
			named = true
			list[place], err = r.text(maxText)
		case name == "act":
			list, err = r.actors(list)
		case strings.EqualFold(name, "sub"), strings.EqualFold(name, "act"):
			err = faultCase
		default:
			err = r.skip()
		}
		if err != nil {
			return nil, err
		}
	}
	if !named {
		return nil, faultMissing
	}
	return list, nil
}
