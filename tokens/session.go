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
// Its plaintext is, in this order: version byte 1; the token's header, payload
// and signature, each as two bytes of length and the decoded bytes, since
// base64 inside the cookie's base64 would cost a third; Data likewise; Version,
// SessionEnd and IdleEnd as four bytes each, times in Unix seconds.
type Session struct {
	Token      string    // the access token, to be verified like any other
	Data       []byte    // a JSON object in strict form (no duplicate names, at most 8 deep), or nil
	Version    uint32    // of Data
	SessionEnd time.Time // absolute end, fixed at login; whole seconds
	IdleEnd    time.Time // end unless renewed before; whole seconds
}

const sessionVersion = 1

// ErrSession is returned by SealSession for a session that is not well formed.
var ErrSession = errors.New("tokens: malformed session")

// SealSession makes the session cookie's value. The token must be in the
// compact form that Sign gives; it is not verified. Errors: ErrSession, and
// those of Seal.
func SealSession(s *Session, k keys.Key) (string, error) {
	plain, err := s.encode()
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
	s, ok := parseSession(a.payload)
	if !ok {
		return refuse(BadPayload, "not a session")
	}
	a.session = s
	return nil
}

func (s *Session) encode() ([]byte, error) {
	kind, _ := kindOf(TypAccess)
	token := artefact{raw: s.Token, kind: kind}
	if err := errors.Join(token.checkLength(), token.checkForm()); err != nil {
		return nil, fmt.Errorf("%w: token", ErrSession)
	}
	if !validData(s.Data) || len(s.Data) > MaxTokenLen {
		return nil, fmt.Errorf("%w: data is not a strict JSON object", ErrSession)
	}
	if !validTime(s.SessionEnd) || !validTime(s.IdleEnd) {
		return nil, fmt.Errorf("%w: ends", ErrSession)
	}
	w := writer{out: make([]byte, 0, len(s.Token)+len(s.Data)+32)}
	w.byte(sessionVersion)
	for _, part := range token.parts[:jws] {
		v, err := decode(part)
		if err != nil {
			return nil, fmt.Errorf("%w: token", ErrSession)
		}
		w.block(v)
	}
	w.block(s.Data)
	w.uint32(s.Version)
	w.time(s.SessionEnd)
	w.time(s.IdleEnd)
	return w.out, nil
}

func parseSession(plain []byte) (*Session, bool) {
	f := fields{in: plain}
	f.demand(f.byte() == sessionVersion)
	header, payload, signature := f.block(), f.block(), f.block()
	f.demand(len(header) > 0 && len(payload) > 0 && len(signature) > 0)
	s := &Session{Token: compact(header, payload, signature)}
	if data := f.block(); len(data) > 0 {
		s.Data = data
	}
	s.Version, s.SessionEnd, s.IdleEnd = f.uint32(), f.time(), f.time()
	return s, f.done() && validData(s.Data)
}

// compact is the compact form of the three parts of a JWS.
func compact(parts ...[]byte) string {
	var out []byte
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
