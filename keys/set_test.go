package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
)

func TestAKeySetIsReadBackAsItWasWritten(t *testing.T) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		r, err := keys.NewRing(keys.DefaultPlan(), alg, dawn)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range []*keys.Set{r.PublicSet(dawn), r.SessionKeys(dawn), keys.MergeSets()} {
			again, err := keys.ParseSet(set.JWKS())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.JWKS(), set.JWKS()) || len(again.Keys()) != len(set.Keys()) {
				t.Errorf("%s became %s", set.JWKS(), again.JWKS())
			}
			for i, k := range again.Keys() {
				if was := set.Keys()[i]; k.ID != was.ID || k.Purpose != was.Purpose || k.Alg != was.Alg {
					t.Errorf("%v became %v", was, k)
				}
			}
		}
	}
}

func TestAStrangersLibraryReadsTheSetAndPassesOverTheFeedsKeys(t *testing.T) {
	r := newRing(t)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(r.PublicSet(dawn).JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	uses := map[string]int{}
	for _, k := range set.Keys {
		uses[k.Use]++
		if !k.Valid() || !k.IsPublic() {
			t.Errorf("%s is not a valid public key", k.KeyID)
		}
	}
	if len(set.Keys) != 4 || uses["sig"] != 2 || uses["sealring-feed"] != 2 {
		t.Errorf("%v", uses)
	}
}

func TestTheJWKSFormIsPinned(t *testing.T) {
	x, _ := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") // RFC 8037 A.2
	const want = `{"keys":[{"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","kty":"OKP","alg":"EdDSA","use":"sig","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	set, err := keys.ParseSet([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(set.JWKS()); got != want {
		t.Errorf("%s", got)
	}
	if got := set.Keys()[0].Public().(ed25519.PublicKey); !bytes.Equal(got, x) {
		t.Errorf("%x", got)
	}
}

func TestMergedSetsHoldEachKeyOnce(t *testing.T) {
	r := newRing(t)
	m := keys.MergeSets(r.PublicSet(dawn), nil, r.SessionKeys(dawn), r.PublicSet(dawn))
	if len(m.Keys()) != 6 {
		t.Errorf("%d keys", len(m.Keys()))
	}
}

// What is the same key stays that very one, with what was made of it; what came
// comes and what went is gone.
func TestASetKeepsTheKeysThatItAlreadyHad(t *testing.T) {
	parsed := func(jwks []byte) *keys.Set {
		set, err := keys.ParseSet(jwks)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	one, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, dawn)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, dawn)
	if err != nil {
		t.Fatal(err)
	}
	old := keys.MergeSets(parsed(one.PublicSet(dawn).JWKS()), parsed(newRing(t).PublicSet(dawn).JWKS()))
	now := parsed(keys.MergeSets(one.PublicSet(dawn), other.PublicSet(dawn)).JWKS())
	got := now.Keeping(old)
	if string(got.JWKS()) != string(now.JWKS()) {
		t.Errorf("%s, want %s", got.JWKS(), now.JWKS())
	}
	for _, k := range got.Keys() {
		before, err := old.Key(k.ID, k.Purpose, dawn)
		if kept := err == nil && k.Table() == before.Table(); kept != one.PublicSet(dawn).Has(k.ID, k.Purpose) {
			t.Errorf("%v is kept: %v", k, kept)
		}
	}
	if now.Keeping(nil) != now {
		t.Error("another set than the one, without an old one")
	}
}

// entry is our first public key as a map to spoil.
func entry(t *testing.T, alg keys.Alg) map[string]any {
	t.Helper()
	r, err := keys.NewRing(keys.DefaultPlan(), alg, dawn)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(r.PublicSet(dawn).JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys[0]
}

func TestAnEntryThatClaimsToBeOursMustBeRightInEverything(t *testing.T) {
	for _, c := range []struct {
		name  string
		alg   keys.Alg
		spoil func(map[string]any)
		want  error
	}{
		{"nothing", keys.ES256, func(map[string]any) {}, nil},
		{"a member that nobody knows", keys.ES256, func(k map[string]any) { k["x5t"] = "AAAA" }, nil},
		{"no kid", keys.ES256, func(k map[string]any) { delete(k, "kid") }, keys.ErrKeyMaterial},
		{"another kid", keys.ES256, func(k map[string]any) { k["kid"] = "1" }, keys.ErrKeyMaterial},
		{"a kid that is a number", keys.ES256, func(k map[string]any) { k["kid"] = 1 }, keys.ErrMalformed},
		{"an empty kid", keys.ES256, func(k map[string]any) { k["kid"] = "" }, keys.ErrMalformed},
		{"another type", keys.ES256, func(k map[string]any) { k["kty"] = "RSA" }, keys.ErrKeyMaterial},
		{"another algorithm", keys.ES256, func(k map[string]any) { k["alg"] = "EdDSA" }, keys.ErrKeyMaterial},
		{"another curve", keys.ES256, func(k map[string]any) { k["crv"] = "P-384" }, keys.ErrKeyMaterial},
		{"a private half", keys.ES256, func(k map[string]any) { k["d"] = "AAAA" }, keys.ErrKeyMaterial},
		{"no y", keys.ES256, func(k map[string]any) { delete(k, "y") }, keys.ErrMalformed},
		{"x and y exchanged", keys.ES256, func(k map[string]any) { k["x"], k["y"] = k["y"], k["x"] }, keys.ErrKeyMaterial},
		{"a padded x", keys.ES256, func(k map[string]any) { k["x"] = k["x"].(string) + "=" }, keys.ErrMalformed},
		{"a line break in x", keys.ES256, func(k map[string]any) { k["x"] = "\n" + k["x"].(string) }, keys.ErrMalformed},
		{"a short x", keys.ES256, func(k map[string]any) { k["x"] = k["x"].(string)[:40] }, keys.ErrKeyMaterial},
		{"a short x with spare bits", keys.ES256, func(k map[string]any) { k["x"] = k["x"].(string)[:41] + "B" }, keys.ErrMalformed},
		{"a zero before x", keys.ES256, func(k map[string]any) { k["x"] = "AAAA" + k["x"].(string) }, keys.ErrKeyMaterial},
		{"the point at infinity", keys.ES256, func(k map[string]any) { k["x"], k["y"] = zero32, zero32 }, keys.ErrKeyMaterial},
		{"spare bits in x", keys.EdDSA, func(k map[string]any) { s := k["x"].(string); k["x"] = s[:42] + "B" }, keys.ErrMalformed},
		{"a short Ed25519 key", keys.EdDSA, func(k map[string]any) { k["x"] = "AAAA" }, keys.ErrKeyMaterial},
		{"an X25519 key", keys.EdDSA, func(k map[string]any) { k["crv"] = "X25519" }, keys.ErrKeyMaterial},
		{"the exponent 3", keys.RS256, func(k map[string]any) { k["e"] = "Aw" }, keys.ErrKeyMaterial},
		{"an exponent with a zero before it", keys.RS256, func(k map[string]any) { k["e"] = "AAEAAQ" }, keys.ErrKeyMaterial},
		{"a short modulus", keys.RS256, func(k map[string]any) { k["n"] = k["n"].(string)[:340] }, keys.ErrKeyMaterial},
		{"a huge modulus", keys.RS256, func(k map[string]any) { k["n"] = strings.Repeat(k["n"].(string), 4) }, keys.ErrKeyMaterial},
		{"a modulus with a zero before it", keys.RS256, func(k map[string]any) { k["n"] = "AAAA" + k["n"].(string) }, keys.ErrKeyMaterial},
		{"no modulus", keys.RS256, func(k map[string]any) { k["n"] = "" }, keys.ErrKeyMaterial},
	} {
		k := entry(t, c.alg)
		c.spoil(k)
		data, err := json.Marshal(map[string]any{"keys": []any{k}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ParseSet(data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

var zero32 = strings.Repeat("A", 43)

func TestEntriesOfOthersArePassedOver(t *testing.T) {
	for _, other := range []string{
		`{}`, `{"kty":"EC"}`, `{"kty":"EC","crv":"P-384","alg":"ES384","use":"sig","kid":"1","x":"AA","y":"AA"}`,
		`{"kty":"RSA","alg":"RSA-OAEP","use":"enc","kid":"1","n":"AA","e":"AQAB"}`,
		`{"kty":"EC","alg":"ES256","use":"enc","kid":"1"}`, `{"kty":"EC","alg":"ES256","kid":"1"}`,
		`{"kty":"oct","alg":"HS256","use":"sig","k":"AAAA","kid":"1"}`,
		`{"kty":"oct","alg":"A256KW","use":"enc","k":"` + zero32 + `","kid":"1"}`,
		`{"kty":"EC","alg":"ES256","use":"sealring-feed","kid":"1"}`,
	} {
		set, err := keys.ParseSet([]byte(`{"keys":[` + other + `],"extra":{"a":[1]}}`))
		if err != nil || len(set.Keys()) != 0 {
			t.Errorf("%s: %v, %v", other, set, err)
		}
	}
}

func TestASetWithAKidOrANameTwiceIsRefused(t *testing.T) {
	k, err := json.Marshal(entry(t, keys.ES256))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"our key twice":                  fmt.Sprintf(`{"keys":[%s,%s]}`, k, k),
		"a stranger with our kid":        fmt.Sprintf(`{"keys":[%s,{"kid":"x"},{"kid":"x"}]}`, k),
		"keys twice":                     fmt.Sprintf(`{"keys":[],"keys":[%s]}`, k),
		"a name twice in a key":          strings.Replace(fmt.Sprintf(`{"keys":[%s]}`, k), `"kty"`, `"kty":"EC","kty"`, 1),
		"a name twice in what we skip":   `{"keys":[{"a":1,"a":1}]}`,
		"a name twice beside the keys":   `{"keys":[],"x":{"a":1,"a":1}}`,
		"an entry that is not an object": `{"keys":[[]]}`,
		"bytes that are not UTF-8":       "{\"keys\":[],\"\xff\":1}",
		"too many":                       `{"keys":[{}` + strings.Repeat(`,{}`, keys.MaxKeys) + `]}`,
		"too long":                       `{"keys":[]` + strings.Repeat(" ", keys.MaxSetBytes) + `}`,
	} {
		if _, err := keys.ParseSet([]byte(data)); !errors.Is(err, keys.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseSet(f *testing.F) {
	r := newRing(f)
	f.Add(r.PublicSet(dawn).JWKS())
	f.Add(r.SessionKeys(dawn).JWKS())
	f.Add([]byte(`{"keys":[{"kty":"EC"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := keys.ParseSet(data)
		if err != nil {
			return
		}
		again, err := keys.ParseSet(set.JWKS())
		if err != nil || !bytes.Equal(again.JWKS(), set.JWKS()) {
			t.Errorf("read, but not written so: %v", err)
		}
	})
}

// A key may be named by its thumbprint and still be too short.
func TestASecretOfAnotherLengthIsRefusedEvenUnderItsRightName(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		k := base64.RawURLEncoding.EncodeToString(make([]byte, n))
		sum := sha256.Sum256([]byte(`{"k":"` + k + `","kty":"oct"}`))
		kid := base64.RawURLEncoding.EncodeToString(sum[:])
		set := fmt.Sprintf(`{"keys":[{"kid":%q,"kty":"oct","alg":"A256GCM","use":"enc","k":%q}]}`, kid, k)
		if _, err := keys.ParseSet([]byte(set)); !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("set, %d bytes: %v", n, err)
		}
		ring := edit(t, marshalled(t, newRing(t)), func(_ map[string]any, l []map[string]any) {
			last(l, "rt")["kid"], last(l, "rt")["secret"] = kid, k
		})
		if _, err := keys.ParseRing(ring); !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("ring, %d bytes: %v", n, err)
		}
	}
}
