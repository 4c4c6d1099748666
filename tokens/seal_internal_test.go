package tokens

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
)

// A cookie opens exactly when go-jose opens it, and gives the same: what go-jose
// has sealed, what AES-GCM alone has, under headers of any spelling that the gate
// lets in, and each with a character changed anywhere.
func TestACookieOpensWhenGoJoseOpensIt(t *testing.T) {
	k, err := keys.Generate(keys.SessionCookie, keys.A256GCM)
	if err != nil {
		t.Fatal(err)
	}
	kind, _ := kindOf(TypSession)
	opened, refused := 0, 0
	compare := func(raw string) {
		t.Helper()
		a := artefact{raw: raw, kind: kind, src: holding{k}, now: time.Now()}
		if a.run(gate) != nil {
			return // before any library
		}
		want, wantErr := byGoJose(raw, k)
		err := a.checkSeal()
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(a.payload, want) {
			t.Errorf("%s: %x %v, go-jose: %x %v", raw, a.payload, err, want, wantErr)
		}
		if err == nil {
			opened++
		} else {
			refused++
		}
	}
	for n := range 300 {
		payload := make([]byte, 1+n)
		for i := range payload {
			payload[i] = byte(rand.Uint32())
		}
		theirs, err := encrypt(kind, payload, k)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{theirs, sealedAlone(t, spelling(n, k.ID), payload, k)} {
			compare(raw)
			for range 20 {
				compare(edited(raw))
			}
		}
	}
	if opened != 600 || refused < 1000 {
		t.Errorf("%d opened, %d refused: this test sees little", opened, refused)
	}
}

// holding is a source that holds one key.
type holding struct{ k keys.Key }

func (h holding) Key(string, keys.Purpose, time.Time) (keys.Key, error) { return h.k, nil }

func byGoJose(raw string, k keys.Key) ([]byte, error) {
	obj, err := jose.ParseEncryptedCompact(raw, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, err
	}
	return obj.Decrypt(k.Secret())
}

// spelling is the n-th way to write one header.
func spelling(n int, kid string) string {
	members := []string{`"alg":"dir"`, `"enc":"A256GCM"`, fmt.Sprintf("%q:%q", "kid", kid), `"typ":"session+jwe"`}
	for i := range members {
		j := n % (i + 1)
		members[i], members[j] = members[j], members[i]
	}
	return "{" + strings.Join(members, []string{",", ", ", " ,"}[n%3]) + "}"
}

// sealedAlone seals by AES-GCM.
func sealedAlone(t *testing.T, header string, payload []byte, k keys.Key) string {
	t.Helper()
	block, err := aes.NewCipher(k.Secret())
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, ivLen)
	for i := range iv {
		iv[i] = byte(rand.Uint32())
	}
	e := base64.RawURLEncoding.EncodeToString
	sealed := gcm.Seal(nil, iv, payload, []byte(e([]byte(header))))
	cut := len(payload)
	return strings.Join([]string{e([]byte(header)), "", e(iv), e(sealed[:cut]), e(sealed[cut:])}, ".")
}

// edited has another character somewhere.
func edited(raw string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	at := rand.IntN(len(raw))
	c := raw[at]
	for c == raw[at] {
		c = alphabet[rand.IntN(len(alphabet))]
	}
	return raw[:at] + string(c) + raw[at+1:]
}
