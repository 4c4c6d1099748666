package tokens

import (
	"errors"
	"strings"
)

// Inspection is what an artefact says of itself. None of it is true until
// Verify or Open says so.
type Inspection struct {
	Typ, Alg, KeyID string // of the header; empty if missing or not text
	Header          []byte // JSON
	Payload         []byte // of a signed artefact: JSON or binary; nil for a sealed one
	Sealed          bool   // a JWE: the payload cannot be seen without the key
}

// ErrUnreadable is returned by InspectUnverified for what is no compact
// artefact at all.
var ErrUnreadable = errors.New("tokens: not a compact artefact")

// InspectUnverified decodes an artefact without a key and WITHOUT TRUST: it
// shows what anybody may have written. It is for people who look for a fault,
// and nothing may be granted by it. It takes also what Verify and Open refuse,
// as long as it is base64url in three or five parts with a strict JSON object
// in front.
func InspectUnverified(raw string) (*Inspection, error) {
	dots := strings.Count(raw, ".")
	if len(raw) > MaxBytesLen || dots+1 != int(jws) && dots+1 != int(jwe) {
		return nil, ErrUnreadable
	}
	parts := strings.Split(raw, ".")
	for _, p := range parts {
		if !canonical(p) {
			return nil, ErrUnreadable
		}
	}
	if len(parts[0]) > MaxTokenLen {
		return nil, ErrUnreadable
	}
	in := &Inspection{Sealed: len(parts) == int(jwe)}
	var err error
	if in.Header, err = decode(parts[0]); err != nil {
		return nil, ErrUnreadable
	}
	if !in.readHeader() {
		return nil, ErrUnreadable
	}
	if !in.Sealed {
		if in.Payload, err = decode(parts[1]); err != nil {
			return nil, ErrUnreadable
		}
	}
	return in, nil
}

// readHeader finds the three members and passes over all others.
func (in *Inspection) readHeader() bool {
	doc := string(in.Header)
	if checkObject(doc) != nil {
		return false
	}
	r, _ := newReader(doc)
	o, _ := r.object()
	for {
		name, more, err := o.next()
		if err != nil || !more {
			return err == nil
		}
		field := map[string]*string{"typ": &in.Typ, "alg": &in.Alg, "kid": &in.KeyID}[name]
		if field == nil || r.peek() != '"' {
			err = r.skip()
		} else {
			*field, err = r.text(len(doc))
		}
		if err != nil {
			return false
		}
	}
}
