package tokens

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Expect is what a verifier demands of an access token. There is no way to
// switch one of the demands off.
type Expect struct {
	Issuer    string        // iss must equal it; required
	Audiences []string      // aud must name at least one of them; required
	Leeway    time.Duration // how far clocks may differ: 0 to MaxLeeway; zero is no leeway at all
	Algs      []keys.Alg    // what may sign; nil: ES256, EdDSA, RS256
	NoTables  bool          // verify EdDSA by crypto/ed25519 alone: see keys/edtable; false: by a table of half a megabyte for each key that verifies many
}

// MaxLeeway is the longest Expect.Leeway.
const MaxLeeway = 5 * time.Minute

// ErrExpect is returned by Verify for an Expect that demands too little. It is
// a mistake of the program and not ErrInvalid.
var ErrExpect = errors.New("tokens: unusable Expect")

func (e Expect) check() error {
	switch {
	case e.Issuer == "":
		return fmt.Errorf("%w: no issuer", ErrExpect)
	case len(e.Audiences) == 0 || slices.Contains(e.Audiences, ""):
		return fmt.Errorf("%w: no audience", ErrExpect)
	case e.Leeway < 0 || e.Leeway > MaxLeeway:
		return fmt.Errorf("%w: leeway", ErrExpect)
	}
	for _, alg := range e.Algs {
		if !(Expect{}).allows(alg) {
			return fmt.Errorf("%w: algorithm %q", ErrExpect, alg)
		}
	}
	return nil
}

func (e Expect) allows(alg keys.Alg) bool {
	if len(e.Algs) > 0 {
		return slices.Contains(e.Algs, alg)
	}
	return alg == keys.ES256 || alg == keys.EdDSA || alg == keys.RS256
}

// signed is the check of a JWS after the gate.
var signed = []check{
	{"signature", (*artefact).checkSignature, nil},
}

// early reads the claims before the signature, and signedLate is the check of a
// signature when that has been done.
var (
	early = []check{
		{"payload", (*artefact).decodePayload, nil},
		{"claims", (*artefact).checkLive, nil},
	}
	signedLate = []check{{"signature", (*artefact).checkText, nil}}
)

// read is the check that takes the claims from an authentic payload.
var read = []check{
	{"claims", (*artefact).checkClaims, foundClaims},
}

// judged are the checks of the claims, each independent of the others. The
// expiry comes last: a token that fails there is right in everything else.
var judged = []check{
	{"issuer", (*artefact).checkIssuer, foundIssuer},
	{"audience", (*artefact).checkAudience, foundAudience},
	{"not-before", (*artefact).checkNotBefore, foundIssued},
	{"login", (*artefact).checkLogin, foundLogin},
	{"expiry", (*artefact).checkExpiry, foundExpiry},
}

// Verify checks an access token against every rule of the package comment and
// returns its claims. src finds the key and now is the verifier's clock;
// nothing else is looked at, and nothing is looked up.
//
// A refusal is an *Error with its Reason, and errors.Is(err, ErrInvalid). One
// that is right in everything but exp is also ErrExpired, and then the claims
// are returned beside the error. An error that src answers with other than
// unknown, retired or revoked (keys.ErrUnavailable) is passed on and is not
// ErrInvalid; neither is ErrExpect.
func Verify(raw string, src keys.Source, e Expect, now time.Time) (*Claims, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	kind, _ := kindOf(TypAccess)
	a := artefact{raw: raw, kind: kind, src: src, expect: e, now: now}
	err := a.run(gate, signed, read, judged)
	if err != nil && !errors.Is(err, ErrExpired) {
		return nil, err
	}
	return &a.claims.Claims, err
}

// VerifyLive is Verify for who has no use for what has expired. It looks at the
// signature last, so that a token which would be refused in any case costs a
// thirtieth of that. Its errors are therefore by the word of a token that anybody
// may have written, ErrExpired too, and no claims come with one. What it accepts
// is what Verify accepts.
func VerifyLive(raw string, src keys.Source, e Expect, now time.Time) (*Claims, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	kind, _ := kindOf(TypAccess)
	a := artefact{raw: raw, kind: kind, src: src, expect: e, now: now}
	if err := a.run(gate, early, judged, signedLate); err != nil {
		return nil, err
	}
	return &a.claims.Claims, nil
}

// VerifyBytes checks an artefact that SignBytes made with this typ (TypFeed or
// TypKeys) and returns its payload. Its errors are those of Verify, and ErrType.
// It needs memory for at most three times the artefact, and next to none for
// one that the gate refuses or whose key is unknown.
func VerifyBytes(typ, raw string, src keys.Source, now time.Time) ([]byte, error) {
	if typ != TypFeed && typ != TypKeys {
		return nil, ErrType
	}
	kind, _ := kindOf(typ)
	a := artefact{raw: raw, kind: kind, src: src, now: now}
	a.expect.NoTables = true // of a frame a second nothing would be gained
	if err := a.run(gate, signed); err != nil {
		return nil, err
	}
	return a.payload, nil
}

// checkSignature checks the signature over the text of the first two parts,
// and only then decodes the payload.
func (a *artefact) checkSignature() error {
	if err := a.checkText(); err != nil {
		return err
	}
	return a.decodePayload()
}

func (a *artefact) checkText() error {
	sig, err := decode(a.parts[2])
	if err != nil {
		return refuse(BadForm, "signature is not base64url")
	}
	input := a.raw[:len(a.parts[0])+1+len(a.parts[1])]
	if table := a.key.Table(); table != nil && !a.expect.NoTables {
		if !table.Verify([]byte(input), sig) {
			return refuse(BadSignature, "")
		}
		return nil
	}
	if err := verifySignature(a.key.Alg, a.key.Public(), input, sig); err != nil {
		return refuse(BadSignature, "")
	}
	return nil
}

func (a *artefact) decodePayload() (err error) {
	if a.payload, err = decode(a.parts[1]); err != nil {
		return refuse(BadForm, "payload is not base64url")
	}
	return nil
}

func (a *artefact) checkClaims() error { return a.readClaims(0) }

// checkLive reads the claims unless they have expired. exp is in whole seconds:
// it is over if now, less the leeway, is in that second or later.
func (a *artefact) checkLive() error { return a.readClaims(a.now.Add(-a.expect.Leeway).Unix()) }

func (a *artefact) readClaims(over int64) error {
	p, err := parseClaims(string(a.payload), over)
	if err == errOver {
		return refuse(Expired, "")
	}
	if err != nil {
		return refuse(BadClaims, err.Error())
	}
	a.claims = p
	a.claims.KeyID = a.key.ID // the same as in the header, in memory that is the key's
	return nil
}

func (a *artefact) checkIssuer() error {
	if a.claims.Issuer != a.expect.Issuer {
		return refuse(WrongIssuer, "")
	}
	return nil
}

func (a *artefact) checkAudience() error {
	for _, aud := range a.claims.Audience {
		if slices.Contains(a.expect.Audiences, aud) {
			return nil
		}
	}
	return refuse(WrongAud, "")
}

func (a *artefact) checkNotBefore() error {
	latest := a.now.Add(a.expect.Leeway)
	if a.claims.IssuedAt.After(latest) {
		return refuse(NotYet, "iat is in the future")
	}
	if a.claims.NotBefore.After(latest) {
		return refuse(NotYet, "nbf is in the future")
	}
	return nil
}

// checkLogin allows auth_time one second more than the leeway: the issuer
// rounds it up past a not-before revocation of the same second.
func (a *artefact) checkLogin() error {
	if a.claims.AuthTime.After(a.now.Add(a.expect.Leeway + time.Second)) {
		return refuse(NotYet, "auth_time is in the future")
	}
	return nil
}

// checkExpiry: valid until exp plus leeway, and no longer at it (RFC 7519 §4.1.4).
func (a *artefact) checkExpiry() error {
	if !a.now.Before(a.claims.ExpiresAt.Add(a.expect.Leeway)) {
		return refuse(Expired, "")
	}
	return nil
}

// Window returns from when and until when the clock lets a verifier with that
// leeway take the claims: what Verify accepted once it accepts again at every
// moment in between, from included and until not, as long as it has the key.
func (c *Claims) Window(leeway time.Duration) (from, until time.Time) {
	from = c.AuthTime.Add(-time.Second)
	for _, t := range [...]time.Time{c.IssuedAt, c.NotBefore} {
		if t.After(from) {
			from = t
		}
	}
	return from.Add(-leeway), c.ExpiresAt.Add(leeway)
}
