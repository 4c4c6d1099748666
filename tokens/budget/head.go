package budget

import "strings"

// Field is one header line.
type Field struct{ Name, Value string }

// Size returns the bytes of the line, its end included (RFC 9112 §5).
func (f Field) Size() int { return len(f.Name) + len(": ") + len(f.Value) + len("\r\n") }

// Cookie is a cookie as an answer sets it.
type Cookie struct {
	Name, Value string
	Attributes  []string // as they stand in the line: "Path=/", "Secure"
}

// Size returns the bytes of name and value, which browsers count.
func (c Cookie) Size() int { return len(c.Name) + len(c.Value) }

// Field is the Set-Cookie line.
func (c Cookie) Field() Field {
	return Field{"Set-Cookie", strings.Join(append([]string{c.Name + "=" + c.Value}, c.Attributes...), "; ")}
}

// attribute returns the bytes of the longest attribute's value.
func (c Cookie) attribute() (most int) {
	for _, a := range c.Attributes {
		_, value, _ := strings.Cut(a, "=")
		most = max(most, len(value))
	}
	return most
}

// Head is the head of a message in HTTP/1.1, as it is sent.
type Head struct {
	Start  string // "HTTP/1.1 200 OK", "GET / HTTP/1.1"
	Fields []Field
	Other  Other // what else is in it, whatever it is
}

// Other is room for header lines that are not known.
type Other struct{ Lines, Bytes int }

// Reserve is the room that a later request is given for all that a browser and
// the proxies on the way send beside the Cookie line: a choice, since nobody can
// know it beforehand. Other cookies of the site are not in it.
var Reserve = Other{Lines: 24, Bytes: 2048}

// Size returns the bytes of the head, with the blank line at its end (RFC 9112 §2.1).
func (h Head) Size() int {
	n := len(h.Start) + len("\r\n") + len("\r\n") + h.Other.Bytes
	for _, f := range h.Fields {
		n += f.Size()
	}
	return n
}

// Lines returns how many header lines there are.
func (h Head) Lines() int { return len(h.Fields) + h.Other.Lines }

// Longest returns the bytes of the longest header line that is known.
func (h Head) Longest() (most int) {
	for _, f := range h.Fields {
		most = max(most, f.Size())
	}
	return most
}

// Texts returns the bytes of a request's target and of all names and values,
// without what stands between them.
func (h Head) Texts() int {
	target := ""
	if words := strings.SplitN(h.Start, " ", 3); len(words) > 1 {
		target = words[1]
	}
	n := len(target) + h.Other.Bytes
	for _, f := range h.Fields {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

// Response is the head of the reply.
func (r Reply) Response() Head {
	h := Head{Start: "HTTP/1.1 " + r.Status, Fields: append([]Field(nil), r.Fields...)}
	for _, c := range r.Cookies {
		h.Fields = append(h.Fields, c.Field())
	}
	return h
}

// Later is the largest request in which the cookies come back: the one that
// gets all of them, which is a refresh.
func (r Reply) Later() Head {
	var pairs []string
	for _, c := range r.Cookies {
		if c.Value != "" { // else it is cleared, and does not come back
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return Head{
		Start:  "POST /v1/refresh HTTP/1.1",
		Fields: []Field{{"Cookie", strings.Join(pairs, "; ")}},
		Other:  Reserve,
	}
}
