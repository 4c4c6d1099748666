package ringfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

func sealed(t testing.TB) ([]byte, ringfile.MasterKey) {
	t.Helper()
	master := ringfile.NewMasterKey()
	data, err := ringfile.Seal(newRing(t), master)
	if err != nil {
		t.Fatal(err)
	}
	return data, master
}

func refused(t *testing.T, what string, data []byte, master ringfile.MasterKey) {
	t.Helper()
	ring, err := ringfile.Unseal(data, master)
	if ring != nil || !errors.Is(err, ringfile.ErrDamaged) && !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("%s: %v, %v", what, ring, err)
	} else if strings.Contains(err.Error(), master.Reveal()) {
		t.Errorf("%s: the message holds the master key", what)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	data, master := sealed(t)
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			refused(t, fmt.Sprintf("bit %d of byte %d", bit, i), data, master)
			data[i] ^= 1 << bit
		}
	}
	if _, err := ringfile.Unseal(data, master); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	data, master := sealed(t)
	for n := range data {
		refused(t, fmt.Sprintf("the first %d bytes", n), data[:n], master)
		refused(t, fmt.Sprintf("all but the first %d bytes", n+1), data[n+1:], master)
	}
}

func TestEveryInsertedByteIsRefused(t *testing.T) {
	data, master := sealed(t)
	for i := 0; i <= len(data); i++ {
		for _, b := range []string{"\n", "\r\n", " ", "=", ".", "A", "\x00"} {
			refused(t, fmt.Sprintf("%q before byte %d", b, i), bytes.Join([][]byte{data[:i], data[i:]}, []byte(b)), master)
		}
	}
}

func TestASpoiltFileIsRefusedByNameAndWithoutItsBytes(t *testing.T) {
	path, master := create(t)
	good := read(t, path)
	for i := 0; i < len(good); i += 61 {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		write(t, path, bad)
		_, err := ringfile.Open(path, master)
		if err == nil || !strings.Contains(err.Error(), path) || len(err.Error()) > len(path)+200 {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	write(t, path, bytes.Repeat([]byte("."), ringfile.MaxBytes+1))
	if _, err := ringfile.Open(path, master); !errors.Is(err, ringfile.ErrDamaged) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := ringfile.Unseal(make([]byte, ringfile.MaxBytes+1), master); !errors.Is(err, ringfile.ErrDamaged) || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too much: %v", err)
	}
}

func TestOtherSealsOfTheSameKeyAreRefused(t *testing.T) {
	master := ringfile.NewMasterKey()
	secret := secretOf(t, master)
	plain, err := newRing(t).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		alg  jose.KeyAlgorithm
		enc  jose.ContentEncryption
		opts *jose.EncrypterOptions
	}{
		{"another typ", jose.A256KW, jose.A256GCM, (&jose.EncrypterOptions{}).WithType("rt+jwe")},
		{"no typ", jose.A256KW, jose.A256GCM, nil},
		{"compressed", jose.A256KW, jose.A256GCM, (&jose.EncrypterOptions{Compression: jose.DEFLATE}).WithType("sealring-ring+jwe")},
		{"another content encryption", jose.A256KW, jose.A128GCM, (&jose.EncrypterOptions{}).WithType("sealring-ring+jwe")},
		{"another key algorithm", jose.A256GCMKW, jose.A256GCM, (&jose.EncrypterOptions{}).WithType("sealring-ring+jwe")},
		{"used directly", jose.DIRECT, jose.A256GCM, (&jose.EncrypterOptions{}).WithType("sealring-ring+jwe")},
		{"a further header", jose.A256KW, jose.A256GCM, (&jose.EncrypterOptions{}).WithType("sealring-ring+jwe").WithHeader("x", 1)},
	} {
		e, err := jose.NewEncrypter(c.enc, jose.Recipient{Algorithm: c.alg, Key: secret, KeyID: master.ID()}, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		box, err := e.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		text, err := box.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		refused(t, c.name, []byte(text), master)
	}
}

func secretOf(t *testing.T, m ringfile.MasterKey) []byte {
	t.Helper()
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON([]byte(`{"kty":"oct","k":"` + m.Reveal() + `"}`)); err != nil {
		t.Fatal(err)
	}
	return k.Key.([]byte)
}

func TestWhatOpensButIsNoRingIsRefused(t *testing.T) {
	master := ringfile.NewMasterKey()
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.A256KW, Key: secretOf(t, master), KeyID: master.ID()},
		(&jose.EncrypterOptions{}).WithType("sealring-ring+jwe"))
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"", "{}", "null", `{"v":2}`} {
		box, err := e.Encrypt([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := box.CompactSerialize()
		if _, err := ringfile.Unseal([]byte(text), master); !errors.Is(err, keys.ErrMalformed) {
			t.Errorf("%q: %v", plain, err)
		}
	}
}

func TestTheZeroMasterKeyDoesNothing(t *testing.T) {
	data, _ := sealed(t)
	var none ringfile.MasterKey
	if _, err := ringfile.Seal(newRing(t), none); !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("Seal: %v", err)
	}
	if _, err := ringfile.Unseal(data, none); !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("Unseal: %v", err)
	}
	if err := ringfile.Create(t.TempDir()+"/ring.jwe", none, newRing(t)); !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("Create: %v", err)
	}
}

func TestAMasterKeyIsReadStrictlyAndNeverPrinted(t *testing.T) {
	m := ringfile.NewMasterKey()
	for _, end := range []string{"", "\n", "\r\n"} {
		again, err := ringfile.ParseMasterKey([]byte(m.Reveal() + end))
		if err != nil || again.ID() != m.ID() {
			t.Errorf("%q after it: %v", end, err)
		}
	}
	s := m.Reveal()
	for _, bad := range []string{"", s[:42], s + "A", s + "\n\n", " " + s, s[:20] + "\n" + s[20:], s + "=", s[:42] + "_", s[:20] + "+" + s[21:]} {
		if _, err := ringfile.ParseMasterKey([]byte(bad)); !errors.Is(err, ringfile.ErrMasterKeyFormat) {
			t.Errorf("%d characters: %v", len(bad), err)
		}
	}
	type holder struct{ m ringfile.MasterKey }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{m, &m, holder{m}, &holder{m}} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{s, fmt.Sprintf("%x", secretOf(t, m)), fmt.Sprint(secretOf(t, m)), string(secretOf(t, m))} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T shows the key", verb, v)
				}
			}
		}
	}
}

func FuzzUnseal(f *testing.F) {
	master := ringfile.NewMasterKey()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	good, err := ringfile.Seal(ring, master)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:200])
	f.Add([]byte("...."))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ringfile.Unseal(data, master); err == nil && !bytes.Equal(data, good) {
			t.Errorf("opened %v", r)
		}
	})
}
