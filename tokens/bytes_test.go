package tokens_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestVerifyBytesGivesBackWhatSignBytesTook(t *testing.T) {
	f := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "payload")
		typ := rapid.SampledFrom([]string{tokens.TypFeed, tokens.TypKeys}).Draw(t, "typ")
		raw, err := tokens.SignBytes(typ, payload, f.feed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tokens.VerifyBytes(typ, raw, f.src, noon)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%v", err)
		}
	})
}

func TestSignBytesRefuses(t *testing.T) {
	f := setup(t)
	for name, k := range map[string]keys.Key{"an access token's key": f.ed, "a sealing key": f.cookie, "no key": {}} {
		if _, err := tokens.SignBytes(tokens.TypFeed, []byte("x"), k); !errors.Is(err, tokens.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tokens.SignBytes(tokens.TypFeed, nil, f.feed); err == nil {
		t.Error("signed nothing")
	}
	if _, err := tokens.SignBytes(tokens.TypFeed, make([]byte, tokens.MaxBytesLen*3/4), f.feed); !errors.Is(err, tokens.ErrTooLong) {
		t.Errorf("over the cap: %v", err)
	}
}

func TestASnapshotOfMegabytesIsTaken(t *testing.T) {
	f := setup(t)
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	raw := must[string](t)(tokens.SignBytes(tokens.TypFeed, payload, f.feed))
	got := must[[]byte](t)(tokens.VerifyBytes(tokens.TypFeed, raw, f.src, noon))
	if !bytes.Equal(got, payload) {
		t.Error("changed on the way")
	}
}

func TestVerifyBytesRefuses(t *testing.T) {
	f := setup(t)
	good := must[string](t)(tokens.SignBytes(tokens.TypFeed, []byte("frame"), f.feed))
	p := strings.Split(good, ".")
	head := `{"alg":"EdDSA","kid":"` + f.feed.ID + `","typ":"sealring-feed+jws"}`
	for name, c := range map[string]struct {
		raw  string
		want tokens.Reason
	}{
		"another payload":       {p[0] + "." + b64("Frame") + "." + p[2], tokens.BadSignature},
		"no payload":            {p[0] + ".." + p[2], tokens.BadForm},
		"an unencoded payload":  {p[0] + ".frame!." + p[2], tokens.BadForm},
		"b64 false":             {craft(t, head[:len(head)-1]+`,"b64":false,"crit":["b64"]}`, "frame", f.feed.Signer(), "EdDSA"), tokens.BadHeader},
		"an access token's key": {craft(t, strings.Replace(head, f.feed.ID, f.ed.ID, 1), "frame", f.ed.Signer(), "EdDSA"), tokens.UnknownKey},
		"ES256":                 {craft(t, strings.Replace(head, "EdDSA", "ES256", 1), "frame", f.es.Signer(), "ES256"), tokens.WrongAlg},
		"over the cap":          {good + strings.Repeat("A", tokens.MaxBytesLen), tokens.TooLong},
		"megabytes of dots":     {strings.Repeat(".", 8<<20), tokens.BadForm},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tokens.VerifyBytes(tokens.TypFeed, c.raw, f.src, noon); reasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
