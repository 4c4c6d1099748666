package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// ErrMalformed says that a ring or a key set is not what its format demands.
var ErrMalformed = errors.New("malformed")

// maxDepth is how deeply JSON may be nested.
const maxDepth = 8

// checkJSON refuses what encoding/json would let pass: too much, bytes that
// are not UTF-8, deep nesting, an object that has a name twice.
func checkJSON(data []byte, limit int) error {
	if len(data) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrMalformed, len(data), limit)
	}
	if !utf8.Valid(data) || !json.Valid(data) {
		return fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	return checkValue(json.NewDecoder(bytes.NewReader(data)), 0)
}

func checkValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth++; depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrMalformed, maxDepth)
	}
	names := map[string]bool{}
	for d.More() {
		if open == '{' {
			if err := checkName(d, names); err != nil {
				return err
			}
		}
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func checkName(d *json.Decoder, seen map[string]bool) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	name, _ := token.(string)
	if seen[name] {
		return fmt.Errorf("%w: the name %q twice in one object", ErrMalformed, clip(name))
	}
	seen[name] = true
	return nil
}

// object reads a JSON object member by member: exact names, exact types. The
// first fault sticks in err. What was read is taken out, so that rest tells
// what was not.
type object struct {
	members map[string]json.RawMessage
	err     error
}

// newObject wants JSON that checkJSON has seen.
func newObject(raw []byte) *object {
	o := &object{}
	if len(raw) == 0 || raw[0] != '{' {
		o.err = fmt.Errorf("%w: no object where one belongs", ErrMalformed)
	} else if err := json.Unmarshal(raw, &o.members); err != nil {
		o.err = fmt.Errorf("%w: no object where one belongs", ErrMalformed)
	}
	return o
}

func (o *object) has(name string) bool { _, ok := o.members[name]; return ok }

// take returns a member and strikes it off; nil if it is absent.
func (o *object) take(name string) json.RawMessage {
	raw := o.members[name]
	delete(o.members, name)
	return raw
}

func (o *object) fail(name, want string) {
	if o.err == nil {
		o.err = fmt.Errorf("%w: %q is not %s", ErrMalformed, name, want)
	}
}

func (o *object) text(name string) (s string) {
	raw := o.take(name)
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.fail(name, "a string")
	}
	return s
}

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

func (o *object) bytes(name string) []byte {
	b, ok := decode64(o.text(name))
	if !ok {
		o.fail(name, "base64url")
	}
	return b
}

func (o *object) number(name string) uint64 {
	raw := string(o.take(name))
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

func (o *object) list(name string) (items []json.RawMessage) {
	raw := o.take(name)
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		o.fail(name, "a list")
	}
	return items
}

// rest returns the first fault, or an error that names a member which nobody
// asked for.
func (o *object) rest() error {
	if o.err != nil {
		return o.err
	}
	for name := range o.members {
		return fmt.Errorf("%w: unknown member %q", ErrMalformed, clip(name))
	}
	return nil
}

// clip keeps a stranger's text short in a message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
