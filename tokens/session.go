package tokens

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Session is the content of a session cookie: the access token, sealed, with
// the session's private data.
//
// Its plaintext is, in this order: one byte that tells the form of the token;
// the token, in two or three blocks, which are two bytes of length and the
// bytes; Data as a block; Version, SessionEnd and IdleEnd as four bytes each,
// times in Unix seconds. A token that Sign has made takes about half of its
// length, and much less where it lists many roles, or such as the key has codes
// for (keys.Names): see pack.
type Session struct {
	Token      string    // the access token, to be verified like any other
	Data       []byte    // a JSON object in strict form (no duplicate names, at most 8 deep), or nil
	Version    uint32    // of Data
	SessionEnd time.Time // absolute end, fixed at login; whole seconds
	IdleEnd    time.Time // end unless renewed before; whole seconds

	KeyID string // the header's kid; set by OpenSession, ignored by SealSession
}

// The forms of a token in the plaintext. They count as versions do: whatever
// else changes takes the next number.
const (
	formParts    = 1 // its header, payload and signature, decoded
	formPacked   = 2 // what it consists of, and its texts
	formSqueezed = 3 // the same, with the texts squeezed

	formCoded         = 4 // as formPacked, with codes of the key's table
	formCodedSqueezed = 5 // the same, with the texts squeezed
)

// ErrSession is returned by SealSession for a session that is not well formed.
var ErrSession = errors.New("tokens: malformed session")

// SealSession makes the session cookie's value. The token must be in the
// compact form that Sign gives; it is not verified. Errors: ErrSession, and
// those of Seal.
func SealSession(s *Session, k keys.Key) (string, error) { return s.seal(k, squeeze) }

// SealLongest is SealSession without squeezing: how long a cookie is at most, of
// any session whose texts are as long as those of s, whatever they say. It
// opens like any other.
func SealLongest(s *Session, k keys.Key) (string, error) { return s.seal(k, unsqueezed) }

func unsqueezed([]byte) ([]byte, bool) { return nil, false }

func (s *Session) seal(k keys.Key, shorten shortener) (string, error) {
	plain, err := s.encode(shorten, k.Names())
	if err != nil {
		return "", err
	}
	return Seal(TypSession, plain, k)
}

// OpenSession opens a session cookie. The token it returns is the very string
// that was sealed, and not yet verified: whoever can open cookies could have
// made this one, and only the issuer can have signed the token. Neither are
// the two ends judged. Errors: those of Open, and the Reason BadPayload.
func OpenSession(raw string, src keys.Source, now time.Time) (*Session, error) {
	a, err := open(TypSession, raw, src, now, sessionRead)
	if err != nil {
		return nil, err
	}
	return a.session, nil
}

var sessionRead = []check{
	{"session", (*artefact).checkSession, foundSession},
}

func (a *artefact) checkSession() error {
	s, ok := parseSession(a.payload, a.key.Names())
	if !ok {
		return refuse(BadPayload, "not a session")
	}
	s.KeyID = a.key.ID
	a.session = s
	return nil
}

func (s *Session) encode(shorten shortener, table *keys.Names) ([]byte, error) {
	kind, _ := kindOf(TypAccess)
	token := artefact{raw: s.Token, kind: kind}
	if err := errors.Join(token.checkLength(), token.checkForm()); err != nil {
		return nil, fmt.Errorf("%w: token", ErrSession)
	}
	if len(s.Data) > MaxTokenLen {
		return nil, ErrTooLong
	}
	if !validData(s.Data) {
		return nil, fmt.Errorf("%w: data is not a strict JSON object", ErrSession)
	}
	if !validTime(s.SessionEnd) || !validTime(s.IdleEnd) {
		return nil, fmt.Errorf("%w: ends", ErrSession)
	}
	w := writer{out: make([]byte, 0, len(s.Token)+len(s.Data)+32)}
	if !w.token(token.parts[:jws], shorten, table) {
		return nil, fmt.Errorf("%w: token", ErrSession)
	}
	w.block(s.Data)
	w.uint32(s.Version)
	w.time(s.SessionEnd)
	w.time(s.IdleEnd)
	return w.out, nil
}

func parseSession(plain []byte, table *keys.Names) (*Session, bool) {
	f := fields{in: plain}
	s := &Session{Token: f.token(table)}
	if data := f.block(); len(data) > 0 {
		s.Data = data
	}
	s.Version, s.SessionEnd, s.IdleEnd = f.uint32(), f.time(), f.time()
	return s, f.done() && validData(s.Data)
}

// shortener returns a shorter form of the texts, or false where there is none.
type shortener func(texts []byte) ([]byte, bool)

// token writes the token in the shortest of its forms.
func (w *writer) token(parts []string, shorten shortener, table *keys.Names) bool {
	var raw [jws][]byte
	for i, part := range parts {
		v, err := decode(part)
		if err != nil {
			return false
		}
		raw[i] = v
	}
	fixed, texts, ok := pack(raw[0], raw[1], raw[2], table)
	if !ok {
		w.byte(formParts)
		for _, v := range raw {
			w.block(v)
		}
		return true
	}
	form, short := byte(formPacked), byte(formSqueezed)
	if table.Len() > 0 {
		form, short = formCoded, formCodedSqueezed
	}
	if squeezed, ok := shorten(texts); ok {
		form, texts = short, squeezed
	}
	w.byte(form)
	w.block(fixed)
	w.block(texts)
	return true
}

func (f *fields) token(table *keys.Names) string {
	form := f.byte()
	switch form {
	case formParts:
		header, payload, signature := f.block(), f.block(), f.block()
		f.demand(len(header) > 0 && len(payload) > 0 && len(signature) > 0)
		return compact(header, payload, signature)
	case formPacked, formSqueezed:
		table = nil
	case formCoded, formCodedSqueezed:
		f.demand(table.Len() > 0)
	default:
		f.bad = true
		return ""
	}
	return f.unpacked(form == formSqueezed || form == formCodedSqueezed, table)
}

func (f *fields) unpacked(squeezed bool, table *keys.Names) string {
	fixed, texts := f.block(), f.block()
	if f.bad {
		return ""
	}
	ok := true
	if squeezed {
		texts, ok = unsqueeze(texts)
		f.demand(ok)
	}
	token, ok := unpack(&fields{in: fixed}, &fields{in: texts}, table)
	f.demand(ok)
	return token
}

// compact is the compact form of the three parts of a JWS.
func compact(parts ...[]byte) string {
	n := len(parts)
	for _, p := range parts {
		n += encodedLen(len(p))
	}
	out := make([]byte, 0, n)
	for i, p := range parts {
		if i > 0 {
			out = append(out, '.')
		}
		out = base64.RawURLEncoding.AppendEncode(out, p)
	}
	return string(out)
}

// validData: nothing, or one JSON object that every reader reads alike.
func validData(data []byte) bool {
	return len(data) == 0 || checkObject(string(data)) == nil
}

// IsStrictObject reports whether data is one JSON object that every reader reads
// alike, as Session.Data must be.
func IsStrictObject(data []byte) bool { return len(data) > 0 && validData(data) }
