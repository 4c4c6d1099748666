package tokens

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// artefact is one compact value on its way through the checks. Each check
// fills in what a later one needs.
type artefact struct {
	raw    string
	kind   kind
	src    keys.Source
	expect Expect
	now    time.Time

	parts   [jwe]string // in base64url, found canonical; a JWS has three
	header  header
	key     keys.Key
	payload []byte // authentic from the check "signature" or "seal" on
	claims  *parsed
	session *Session
	refresh *Refresh
}

// check is one step. Verify and its like run a list of them until one refuses,
// Explain runs the same list and notes each verdict, with what was found.
type check struct {
	name  string
	run   func(*artefact) error
	found func(*artefact) string
}

// gate is what every artefact passes, whatever its kind, before any library
// sees it and before any key is used. It costs no more than one look at each
// byte of an artefact within its cap, and nothing for what follows a fault.
var gate = []check{
	{"length", (*artefact).checkLength, foundLength},
	{"form", (*artefact).checkForm, foundForm},
	{"header", (*artefact).checkHeader, nil},
	{"type", (*artefact).checkType, foundType},
	{"algorithm", (*artefact).checkAlg, foundAlg},
	{"key", (*artefact).checkKey, foundKey},
}

// run passes the artefact through lists of checks.
func (a *artefact) run(lists ...[]check) error {
	for _, list := range lists {
		for _, c := range list {
			if err := c.run(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *artefact) checkLength() error {
	if len(a.raw) > a.kind.max {
		return refuse(TooLong, "over the cap of this kind")
	}
	return nil
}

// checkForm takes the compact serialization apart: exactly as many parts as
// the form has, each of them canonical base64url of a possible length.
func (a *artefact) checkForm() error {
	if fault := a.split(); fault != "" {
		return refuse(BadForm, fault)
	}
	if fault := a.checkSizes(); fault != "" {
		return refuse(BadForm, fault)
	}
	for _, p := range a.parts[:a.kind.form] {
		if !canonical(p) {
			return refuse(BadForm, "not canonical base64url")
		}
	}
	return nil
}

func (a *artefact) split() (fault string) {
	rest, last := a.raw, int(a.kind.form)-1
	for i := range last {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return "too few parts"
		}
		a.parts[i], rest = rest[:dot], rest[dot+1:]
	}
	if strings.IndexByte(rest, '.') >= 0 {
		return "too many parts"
	}
	a.parts[last] = rest
	return ""
}

// checkSizes compares the parts with what their form allows, so that nothing
// is decoded that is too long, and no library is asked what to do with an
// encrypted key under "dir" (go-jose ignores it: RFC 7516 §5.2 step 10 does not).
func (a *artefact) checkSizes() (fault string) {
	switch p := &a.parts; {
	case len(p[0]) == 0 || len(p[0]) > maxHeaderLen:
		return "header of no possible length"
	case a.kind.form == jws && len(p[1]) == 0:
		return "no payload"
	case a.kind.form == jws && (len(p[2]) == 0 || len(p[2]) > encodedLen(maxSigLen)):
		return "signature of no possible length"
	case a.kind.form == jwe && len(p[1]) != encodedLen(a.kind.ekLen):
		return "encrypted key of the wrong length"
	case a.kind.form == jwe && (len(p[2]) != encodedLen(ivLen) || len(p[4]) != encodedLen(tagLen)):
		return "iv or tag of the wrong length"
	case a.kind.form == jwe && len(p[3]) == 0:
		return "no ciphertext"
	}
	return ""
}

func (a *artefact) checkHeader() error {
	var buf [maxHeaderLen]byte
	n, err := strict64.Decode(buf[:], []byte(a.parts[0]))
	if err != nil {
		return refuse(BadForm, "header is not base64url")
	}
	if a.header, err = parseHeader(string(buf[:n])); err != nil {
		return refuse(BadHeader, err.Error())
	}
	if err := a.header.complete(a.kind.form); err != nil {
		return refuse(BadHeader, err.Error())
	}
	return nil
}

// checkType lets in the one kind whose door this is, spelt as we spell it.
func (a *artefact) checkType() error {
	if a.header.typ != a.kind.typ {
		return refuse(WrongType, "not the type of this door")
	}
	return nil
}

// checkAlg compares the header's alg and enc with the kind's, and for access
// tokens with the configured list.
func (a *artefact) checkAlg() error {
	if a.kind.alg == "" {
		if !a.expect.allows(keys.Alg(a.header.alg)) {
			return refuse(WrongAlg, "alg is not configured")
		}
		return nil
	}
	if a.header.alg != a.kind.alg || a.header.enc != a.kind.enc {
		return refuse(WrongAlg, "not the algorithm of this kind")
	}
	return nil
}

// checkKey finds the key by its kid and purpose. The key has one algorithm,
// and the header must name it: nothing is chosen by what the key could do.
func (a *artefact) checkKey() error {
	key, err := a.src.Key(a.header.kid, a.kind.purpose, a.now)
	if err != nil {
		return keyError(err)
	}
	if key.ID != a.header.kid || key.Purpose != a.kind.purpose {
		return &Error{Reason: UnknownKey, Detail: "source gave another key", err: keys.ErrUnknownKey}
	}
	want := a.kind.keyAlg
	if a.kind.alg == "" {
		want = keys.Alg(a.header.alg)
	}
	if key.Alg != want {
		return refuse(WrongAlg, "key is of another algorithm")
	}
	a.key = key
	return nil
}

// keyError tells a key that is no good from a source that cannot answer: the
// second says nothing about the artefact and is passed on.
func keyError(err error) error {
	switch {
	case errors.Is(err, keys.ErrUnknownKey):
		return &Error{Reason: UnknownKey, err: err}
	case errors.Is(err, keys.ErrRetiredKey):
		return &Error{Reason: RetiredKey, err: err}
	case errors.Is(err, keys.ErrRevokedKey):
		return &Error{Reason: RevokedKey, err: err}
	}
	return fmt.Errorf("finding key: %w", err)
}
