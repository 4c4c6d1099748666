package tokens_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

// seed gives a fuzz target one artefact of each kind and some wreckage.
func seed(f *testing.F, x *fixture) {
	for _, raw := range artefacts(f, x) {
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
		f.Add(strings.Replace(raw, ".", "..", 1))
	}
	f.Add(b64(`{"alg":"none"}`) + ".e30.")
	f.Add(strings.Repeat(".", 100))
}

// mustRefuseAsInvalid: the source answers for each key, so whatever is refused
// is the artefact's own fault.
func mustRefuseAsInvalid(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, tokens.ErrInvalid) {
		t.Fatalf("%v is not ErrInvalid", err)
	}
}

func FuzzVerify(f *testing.F) {
	x := setup(f)
	seed(f, x)
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := tokens.Verify(raw, x.src, orders(), noon)
		mustRefuseAsInvalid(t, err)
		if err == nil && c.Subject != "ann" {
			t.Fatalf("forged: %+v", c)
		}
		tokens.Explain(raw, x.src, orders(), noon)
		_, _ = tokens.InspectUnverified(raw)
	})
}

// FuzzClaims signs whatever payload it is given: what Verify then accepts must
// survive being signed and read again.
func FuzzClaims(f *testing.F) {
	x := setup(f)
	f.Add(payloadOf(f, must[string](f)(tokens.Sign(annsClaims(), x.ed))))
	f.Add(`{"iss":"https://auth.example.com","aud":"orders","sub":"x","exp":1772366700,"iat":1772366400}`)
	f.Fuzz(func(t *testing.T, payload string) {
		if payload == "" || len(payload) > 4000 {
			return
		}
		c, err := tokens.Verify(craft(t, header(x.ed), payload, x.ed.Signer(), "EdDSA"), x.src, orders(), noon)
		mustRefuseAsInvalid(t, err)
		if err != nil {
			return
		}
		again := must[*tokens.Claims](t)(tokens.Verify(must[string](t)(tokens.Sign(c, x.ed)), x.src, orders(), noon))
		if !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v became %+v", c, again)
		}
	})
}

func FuzzOpen(f *testing.F) {
	x := setup(f)
	seed(f, x)
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := tokens.Open(tokens.TypSession, raw, x.src, noon)
		mustRefuseAsInvalid(t, err)
		_, err = tokens.Open(tokens.TypRefresh, raw, x.src, noon)
		mustRefuseAsInvalid(t, err)
	})
}

// FuzzOpenSession seals whatever plaintext it is given, as a holder of the key
// could: what opens can be sealed again, and is the same session then.
func FuzzOpenSession(f *testing.F) {
	x := setup(f)
	raw := artefacts(f, x)["session"]
	f.Add(must[[]byte](f)(tokens.Open(tokens.TypSession, raw, x.src, noon)))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed, err := tokens.Seal(tokens.TypSession, plain, x.cookie)
		if err != nil {
			return
		}
		s, err := tokens.OpenSession(sealed, x.src, noon)
		mustRefuseAsInvalid(t, err)
		if err != nil || strings.IndexByte(s.Token, '.') > 512 || len(s.Token) > tokens.MaxTokenLen {
			return
		}
		again, err := tokens.SealSession(s, x.cookie)
		if err != nil {
			t.Fatalf("opened, but cannot be sealed: %v", err)
		}
		if got := must[*tokens.Session](t)(tokens.OpenSession(again, x.src, noon)); !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v became %+v", s, got)
		}
	})
}

// FuzzOpenRefresh is FuzzOpenSession for refresh tokens.
func FuzzOpenRefresh(f *testing.F) {
	x := setup(f)
	raw := artefacts(f, x)["refresh"]
	f.Add(must[[]byte](f)(tokens.Open(tokens.TypRefresh, raw, x.src, noon)))
	f.Add([]byte{1, 2})
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed, err := tokens.Seal(tokens.TypRefresh, plain, x.refresh)
		if err != nil {
			return
		}
		r, err := tokens.OpenRefresh(sealed, x.src, noon)
		mustRefuseAsInvalid(t, err)
		if err != nil {
			return
		}
		again := must[string](t)(tokens.SealRefresh(r, x.refresh))
		if got := must[[]byte](t)(tokens.Open(tokens.TypRefresh, again, x.src, noon)); string(got) != string(plain) {
			t.Fatalf("two encodings of one refresh token: %q, %q", plain, got)
		}
	})
}

func FuzzVerifyBytes(f *testing.F) {
	x := setup(f)
	seed(f, x)
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := tokens.VerifyBytes(tokens.TypFeed, raw, x.src, noon)
		mustRefuseAsInvalid(t, err)
		_, err = tokens.VerifyBytes(tokens.TypKeys, raw, x.src, noon)
		mustRefuseAsInvalid(t, err)
	})
}

func FuzzInspectUnverified(f *testing.F) {
	x := setup(f)
	seed(f, x)
	f.Fuzz(func(t *testing.T, raw string) {
		in, err := tokens.InspectUnverified(raw)
		if err == nil && in.HeaderFault == "" && (len(in.Header) == 0 || !json.Valid(in.Header)) {
			t.Fatalf("no fault in %q", in.Header)
		}
		if err == nil && !in.Sealed && in.PayloadFault == "" && !json.Valid(in.Payload) {
			t.Fatalf("no fault in %q", in.Payload)
		}
	})
}
