package keys

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object reads a JSON object member by member: exact names, exact types. The
// first fault sticks in err. What was read is taken out, so that rest tells
// what was not.
type object struct {
	members []member
	err     error
}

type member struct{ name, raw string }

// newObject wants a part of what checkJSON returned.
func newObject(raw string) *object {
	o := &object{}
	c := cursor{in: raw}
	if c.next() != '{' {
		o.err = fmt.Errorf("%w: no object where one belongs", ErrMalformed)
		return o
	}
	n := 0
	for range items(raw) {
		n++
	}
	o.members = make([]member, 0, n)
	for name, value := range items(raw) {
		o.members = append(o.members, member{name, value})
	}
	return o
}

// items are the members of an object, or the elements of a list without
// names.
func items(raw string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		c := cursor{in: raw}
		open := c.next()
		c.pos++
		for b := c.next(); b != '}' && b != ']' && b != 0; b = c.next() {
			name := ""
			if open == '{' {
				name, _ = c.quoted()
				name = name[1 : len(name)-1]
				c.take(':')
			}
			if !yield(name, c.skip()) {
				return
			}
			c.take(',')
		}
	}
}

func (o *object) has(name string) bool { return o.index(name) >= 0 }

func (o *object) index(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

// take returns a member and strikes it off; "" if it is absent.
func (o *object) take(name string) string {
	i := o.index(name)
	if i < 0 {
		return ""
	}
	raw := o.members[i].raw
	o.members = slices.Delete(o.members, i, i+1)
	return raw
}

func (o *object) fail(name, want string) {
	if o.err == nil {
		o.err = fmt.Errorf("%w: %q is not %s", ErrMalformed, name, want)
	}
}

// text reads a string. Of its escapes those are understood that we write.
func (o *object) text(name string) string {
	raw := o.take(name)
	if raw == "" || raw[0] != '"' {
		o.fail(name, "a string")
		return ""
	}
	s, err := strconv.Unquote(raw)
	if err != nil {
		o.fail(name, "a string without odd escapes")
	}
	return s
}

// kept is text for what outlives the document: a part of that would keep all of
// it in memory.
func (o *object) kept(name string) string { return strings.Clone(o.text(name)) }

// optional is text for a member that may be absent, but not empty.
func (o *object) optional(name string) string {
	if !o.has(name) {
		return ""
	}
	s := o.text(name)
	if s == "" {
		o.fail(name, "a string with something in it")
	}
	return s
}

// decoded is what a member's text stands for in base64url.
func (o *object) decoded(name, text string) []byte {
	b, ok := decode64(text)
	if !ok {
		o.fail(name, "base64url")
	}
	return b
}

func (o *object) number(name string) uint64 {
	raw := o.take(name)
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != raw {
		o.fail(name, "a whole number")
	}
	return n
}

// moment reads a time as we write it: RFC 3339 in UTC, fractions without
// trailing zeros. An absent one is the zero time.
func (o *object) moment(name string) time.Time {
	s := o.optional(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.UTC().Format(time.RFC3339Nano) != s || t.IsZero() {
		o.fail(name, "a time (RFC 3339, UTC)")
	}
	return t.UTC()
}

func (o *object) duration(name string) time.Duration {
	s := o.text(name)
	d, err := time.ParseDuration(s)
	if err != nil || d.String() != s {
		o.fail(name, "a duration such as 5m0s")
	}
	return d
}

// list returns the elements of a list, of at most so many and one more.
func (o *object) list(name string, most int) (list []string) {
	raw := o.take(name)
	if raw == "" || raw[0] != '[' {
		o.fail(name, "a list")
		return nil
	}
	for _, item := range items(raw) {
		if list = append(list, item); len(list) > most {
			break
		}
	}
	return list
}

// rest returns the first fault, or an error that names a member which nobody
// asked for.
func (o *object) rest() error {
	if o.err != nil {
		return o.err
	}
	for _, m := range o.members {
		return fmt.Errorf("%w: unknown member %q", ErrMalformed, clip(m.name))
	}
	return nil
}
