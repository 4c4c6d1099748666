package tokens

import (
	"errors"
	"strings"
)

// Inspection is what an artefact says of itself. None of it is true until
// Verify or Open says so.
type Inspection struct {
	Typ, Alg, KeyID string // of the header; empty if missing or not text, and of a header with a fault
	Header          []byte // as it was decoded: strict JSON unless HeaderFault says otherwise
	HeaderFault     string // why Header is no JSON object that all readers read alike; empty if it is
	Payload         []byte // of a signed artefact, as it was decoded; nil for a sealed one
	PayloadFault    string // why Payload is no JSON that all readers read alike; empty if it is
	Sealed          bool   // a JWE: the payload cannot be seen without the key
}

// ErrUnreadable is returned by InspectUnverified for what is no compact
// artefact at all.
var ErrUnreadable = errors.New("tokens: not a compact artefact")

// InspectUnverified decodes an artefact without a key and WITHOUT TRUST: it
// shows what anybody may have written. It is for people who look for a fault,
// and nothing may be granted by it. It takes also what Verify and Open refuse,
// as long as it is base64url in three or five parts, and says what of it is
// not strict JSON.
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
	in.HeaderFault = in.readHeader()
	if in.Sealed {
		return in, nil
	}
	if in.Payload, err = decode(parts[1]); err != nil {
		return nil, ErrUnreadable
	}
	if err := checkDocument(string(in.Payload)); err != nil {
		in.PayloadFault = err.Error()
	}
	return in, nil
}

// readHeader finds the three members and passes over all others.
func (in *Inspection) readHeader() (fault string) {
	doc := string(in.Header)
	if err := checkObject(doc); err != nil {
		return err.Error()
	}
	r, _ := newReader(doc)
	o, _ := r.object()
	for {
		name, more, err := o.next()
		if err != nil || !more {
			return ""
		}
		field := map[string]*string{"typ": &in.Typ, "alg": &in.Alg, "kid": &in.KeyID}[name]
		if field == nil || r.peek() != '"' {
			err = r.skip()
		} else {
			*field, err = r.text(len(doc))
		}
		if err != nil {
			return err.Error()
		}
	}
}
