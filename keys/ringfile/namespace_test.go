package ringfile_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

func TestASealOpensForItsOwnNamespaceAlone(t *testing.T) {
	ring, master := newRing(t), ringfile.NewMasterKey()
	names := []string{"", "prod", "prod2", "Prod", "a.b_c-9", strings.Repeat("n", 64)}
	for _, of := range names {
		data, err := ringfile.SealFor(of, ring, master)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range names {
			got, err := ringfile.UnsealFor(to, data, master)
			if of == to && (err != nil || got.Generation() != 1) {
				t.Errorf("%q: %v", of, err)
			}
			if of != to && (got != nil || !errors.Is(err, ringfile.ErrNamespace)) {
				t.Errorf("of %q opened as %q: %v", of, to, err)
			}
		}
		if _, err := ringfile.UnsealFor(of, data, ringfile.NewMasterKey()); !errors.Is(err, ringfile.ErrMasterKey) || !strings.Contains(err.Error(), master.ID()) {
			t.Errorf("%q under another master key: %v", of, err)
		}
	}
}

func TestANamespaceCanNotBeChangedInTheHeader(t *testing.T) {
	master := ringfile.NewMasterKey()
	data, err := ringfile.SealFor("prod", newRing(t), master)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := bytes.Cut(data, []byte("."))
	header, err := base64.RawURLEncoding.DecodeString(string(first))
	if err != nil || !strings.Contains(string(header), `,"ns":"prod",`) {
		t.Fatalf("%s, %v", header, err)
	}
	for namespace, edit := range map[string]string{"test": `,"ns":"test",`, "": `,`} {
		edited := strings.Replace(string(header), `,"ns":"prod",`, edit, 1)
		forged := base64.RawURLEncoding.EncodeToString([]byte(edited)) + "." + string(rest)
		if _, err := ringfile.UnsealFor(namespace, []byte(forged), master); !errors.Is(err, ringfile.ErrDamaged) {
			t.Errorf("renamed to %q: %v", namespace, err)
		}
	}
}

func TestANamespaceIsAPlainName(t *testing.T) {
	data, master := sealed(t)
	for _, name := range []string{" ", `a"b`, "a{b", "a:b", "a\n", "ä", strings.Repeat("n", 65)} {
		if _, err := ringfile.SealFor(name, newRing(t), master); !errors.Is(err, ringfile.ErrNamespace) {
			t.Errorf("sealing for %q: %v", name, err)
		}
		if _, err := ringfile.UnsealFor(name, data, master); !errors.Is(err, ringfile.ErrNamespace) {
			t.Errorf("opening for %q: %v", name, err)
		}
	}
}
