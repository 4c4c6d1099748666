package tokens_test

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// artefacts has one of each kind, and each signing algorithm.
func artefacts(t testing.TB, f *fixture) map[string]string {
	t.Helper()
	ok := must[string](t)
	access := ok(tokens.Sign(annsClaims(), f.es))
	return map[string]string{
		"access ES256": access,
		"access EdDSA": ok(tokens.Sign(annsClaims(), f.ed)),
		"access RS256": ok(tokens.Sign(annsClaims(), f.rs)),
		"session":      ok(tokens.SealSession(annsSession(access), f.cookie)),
		"refresh":      ok(tokens.SealRefresh(annsRefresh(), f.refresh)),
		"data":         ok(tokens.Seal(tokens.TypData, []byte("kept"), f.refresh)),
		"feed":         ok(tokens.SignBytes(tokens.TypFeed, []byte("\x01frame\x00\xff"), f.feed)),
		"keys":         ok(tokens.SignBytes(tokens.TypKeys, []byte(`{"generation":1}`), f.feed)),
	}
}

// doors are all the ways in.
func doors() map[string]func(raw string, src keys.Source) error {
	open := func(typ string) func(string, keys.Source) error {
		return func(raw string, src keys.Source) error {
			_, err := tokens.Open(typ, raw, src, noon)
			return err
		}
	}
	bytes := func(typ string) func(string, keys.Source) error {
		return func(raw string, src keys.Source) error {
			_, err := tokens.VerifyBytes(typ, raw, src, noon)
			return err
		}
	}
	expect := orders()
	return map[string]func(string, keys.Source) error{
		"Verify": func(raw string, src keys.Source) error {
			_, err := tokens.Verify(raw, src, expect, noon)
			return err
		},
		"VerifyLive": func(raw string, src keys.Source) error {
			_, err := tokens.VerifyLive(raw, src, expect, noon)
			return err
		},
		"OpenSession": func(raw string, src keys.Source) error {
			_, err := tokens.OpenSession(raw, src, noon)
			return err
		},
		"OpenRefresh": func(raw string, src keys.Source) error {
			_, err := tokens.OpenRefresh(raw, src, noon)
			return err
		},
		"Open session": open(tokens.TypSession), "Open refresh": open(tokens.TypRefresh), "Open data": open(tokens.TypData),
		"VerifyBytes feed": bytes(tokens.TypFeed), "VerifyBytes keys": bytes(tokens.TypKeys),
	}
}

// generous finds a key whatever purpose is asked for, so that the doors have
// to tell the kinds apart by themselves.
type generous struct{ bundle }

func (g generous) Key(kid string, p keys.Purpose, _ time.Time) (keys.Key, error) {
	if k, ok := g.keys[kid]; ok {
		return k, nil
	}
	return keys.Key{}, keys.ErrUnknownKey
}

func TestEachDoorTakesItsOwnKindAlone(t *testing.T) {
	f := setup(t)
	own := map[string]map[string]bool{
		"access ES256": {"Verify": true, "VerifyLive": true}, "access EdDSA": {"Verify": true, "VerifyLive": true},
		"access RS256": {"Verify": true, "VerifyLive": true},
		"session":      {"OpenSession": true, "Open session": true},
		"refresh":      {"OpenRefresh": true, "Open refresh": true},
		"data":         {"Open data": true},
		"feed":         {"VerifyBytes feed": true},
		"keys":         {"VerifyBytes keys": true},
	}
	for kind, raw := range artefacts(t, f) {
		for door, enter := range doors() {
			for name, src := range map[string]keys.Source{"strict": f.src, "generous": generous{f.src}} {
				err := enter(raw, src)
				if own[kind][door] != (err == nil) {
					t.Errorf("%s at %s, %s source: %v", kind, door, name, err)
				}
				if err != nil && reasonOf(err) != tokens.WrongType && reasonOf(err) != tokens.BadForm {
					t.Errorf("%s at %s, %s source: refused late: %v", kind, door, name, err)
				}
			}
		}
	}
}

// Even where the typ is right, an artefact made with a key of another purpose
// is refused: here a feed key signs an access token.
func TestAKeyOfAnotherPurposeOpensNoDoor(t *testing.T) {
	f := setup(t)
	payload := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.ed)))
	raw := craft(t, header(f.feed), payload, f.feed.Signer(), "EdDSA")
	for _, src := range []keys.Source{f.src, generous{f.src}} {
		if _, err := tokens.Verify(raw, src, orders(), noon); reasonOf(err) != tokens.UnknownKey {
			t.Errorf("got %v", err)
		}
	}
}

func TestTypesThatADoorDoesNotServeAreAMistakeOfTheProgram(t *testing.T) {
	f := setup(t)
	for _, typ := range []string{"", "JWT", tokens.TypAccess, tokens.TypFeed} {
		if _, err := tokens.Seal(typ, []byte("x"), f.cookie); err != tokens.ErrType {
			t.Errorf("Seal %q: %v", typ, err)
		}
		if _, err := tokens.Open(typ, "x", f.src, noon); err != tokens.ErrType {
			t.Errorf("Open %q: %v", typ, err)
		}
	}
	for _, typ := range []string{"", "JWT", tokens.TypAccess, tokens.TypSession} {
		if _, err := tokens.SignBytes(typ, []byte("x"), f.feed); err != tokens.ErrType {
			t.Errorf("SignBytes %q: %v", typ, err)
		}
		if _, err := tokens.VerifyBytes(typ, "x", f.src, noon); err != tokens.ErrType {
			t.Errorf("VerifyBytes %q: %v", typ, err)
		}
	}
}
