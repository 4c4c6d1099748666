package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
)

// rotated is a ring with keys in every state but created.
func rotated(t testing.TB) *keys.Ring {
	t.Helper()
	r := newRing(t)
	for _, p := range keys.Purposes() {
		r = rotate(t, r, p, dawn)
		r = rotate(t, r, p, dawn.Add(time.Second))
	}
	for _, p := range []keys.Purpose{keys.AccessToken, keys.SessionCookie} {
		n, err := r.Revoke(the(t, r, p, keys.VerifyOnly, dawn.Add(2*time.Second)).ID, "lost", dawn.Add(2*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		r = n
	}
	return r
}

func marshalled(t testing.TB, r *keys.Ring) []byte {
	t.Helper()
	data, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAThumbprintIsThatOfRFC7638AndRFC8037(t *testing.T) {
	// RFC 8037 appendix A.3.
	x, _ := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	k, err := keys.NewSigningKey(keys.Feed, keys.EdDSA, public{ed25519.PublicKey(x)})
	if err != nil || k.ID != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%v, %v", k, err)
	}
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		k, err := keys.Generate(keys.AccessToken, alg)
		if err != nil {
			t.Fatal(err)
		}
		checkThumbprint(t, k, k.Public())
	}
	for range 20 {
		k, err := keys.Generate(keys.SessionCookie, keys.A256GCM)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(`{"k":"` + base64.RawURLEncoding.EncodeToString(k.Secret()) + `","kty":"oct"}`))
		if k.ID != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Errorf("%v: RFC 7638 says %x", k, sum)
		}
	}
}

// public stands for a signer of which only the public half matters.
type public struct{ key crypto.PublicKey }

func (p public) Public() crypto.PublicKey { return p.key }
func (p public) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("none")
}

func checkThumbprint(t *testing.T, k keys.Key, material any) {
	t.Helper()
	want, err := (&jose.JSONWebKey{Key: material}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if k.ID != base64.RawURLEncoding.EncodeToString(want) {
		t.Errorf("%v: another library says %x", k, want)
	}
}

func TestUnusableMaterialIsRefused(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	short, _ := rsa.GenerateKey(rand.Reader, 2048)
	for _, c := range []struct {
		name   string
		p      keys.Purpose
		alg    keys.Alg
		signer crypto.Signer
	}{
		{"another curve", keys.AccessToken, keys.ES256, p384},
		{"RSA of 2048 bit", keys.AccessToken, keys.RS256, short},
		{"an EC key as EdDSA", keys.AccessToken, keys.EdDSA, p256},
		{"an EC key for the feed", keys.Feed, keys.ES256, p256},
		{"a signer for cookies", keys.SessionCookie, keys.A256GCM, p256},
		{"no signer", keys.AccessToken, keys.ES256, nil},
		{"an algorithm of no purpose", keys.AccessToken, "HS256", p256},
		{"an Ed25519 key that is too short", keys.Feed, keys.EdDSA, public{ed25519.PublicKey("short")}},
	} {
		if _, err := keys.NewSigningKey(c.p, c.alg, c.signer); !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, n := range []int{0, 16, 31, 33, 64} {
		if _, err := keys.NewSealingKey(keys.SessionCookie, make([]byte, n)); !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := keys.NewSealingKey(keys.AccessToken, make([]byte, 32)); !errors.Is(err, keys.ErrKeyMaterial) {
		t.Errorf("a secret that signs: %v", err)
	}
}

func TestASecretIsCopied(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	k, err := keys.NewSealingKey(keys.RefreshToken, secret)
	if err != nil {
		t.Fatal(err)
	}
	secret[0] = 0
	if k.Secret()[0] != 7 {
		t.Error("the caller changed the key")
	}
}

func TestARingIsReadBackAsItWasWritten(t *testing.T) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		first, err := keys.NewRing(keys.DefaultPlan(), alg, dawn)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*keys.Ring{first, rotated(t)} {
			data := marshalled(t, r)
			again, err := keys.ParseRing(data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(marshalled(t, again), data) {
				t.Errorf("%s: written otherwise the second time", alg)
			}
			for i, k := range again.Keys() {
				was := r.Keys()[i]
				if was.Signer() != nil && !was.Signer().(interface{ Equal(crypto.PrivateKey) bool }).Equal(k.Signer()) {
					t.Errorf("%v has another private half", k)
				}
				if !bytes.Equal(was.Secret(), k.Secret()) {
					t.Errorf("%v has another secret", k)
				}
			}
		}
	}
}

// edit changes one value in the JSON of a ring.
func edit(t *testing.T, data []byte, change func(ring map[string]any, keys []map[string]any)) []byte {
	t.Helper()
	var ring map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&ring); err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for _, k := range ring["keys"].([]any) {
		list = append(list, k.(map[string]any))
	}
	change(ring, list)
	out, err := json.Marshal(ring)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func shift(k map[string]any, name string, d time.Duration) {
	at, _ := time.Parse(time.RFC3339Nano, k[name].(string))
	k[name] = at.Add(d).Format(time.RFC3339Nano)
}

func TestTheValidatorRefusesExactlyThePlansThatBreakK1OrK2(t *testing.T) {
	r := newRing(t)
	r = rotate(t, r, keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, dawn.Add(time.Second))
	data := marshalled(t, r)
	// 0 and 1 are of the first generation: verify-only and signing. 2 is
	// scheduled, 3 stands by.
	for _, c := range []struct {
		name string
		key  int
		what string
		d    time.Duration
		ok   bool
	}{
		{"nothing changed", 0, "sign_until", 0, true},
		{"K1: the successor signs a moment too early", 2, "sign_from", -1, false},
		{"K1: it was published a moment later", 2, "publish_at", 1, false},
		{"it was published earlier", 2, "publish_at", -time.Hour, true},
		{"K2: the old key ends before the lease of the schedule", 0, "sign_until", -1, false},
		{"K2: the schedule was written later than the old key's end allows", 1, "scheduled_at", 1, false},
		{"K2: what it signs outlives it", 0, "verify_until", -1, false},
		{"the old key is kept longer", 0, "verify_until", time.Hour, true},
		{"K2: the signing key ends before its successor signs", 1, "sign_until", -1, false},
		{"K2: the successor signs later than the signing key ends", 2, "sign_from", 1, false},
		{"K2: the signing key's end comes later, but not that of verifying", 1, "sign_until", 1, false},
	} {
		bad := edit(t, data, func(_ map[string]any, list []map[string]any) { shift(list[c.key], c.what, c.d) })
		if _, err := keys.ParseRing(bad); (err == nil) != c.ok || err != nil && !errors.Is(err, keys.ErrInvalidRing) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestARingWithAnyOtherFaultIsRefused(t *testing.T) {
	data := marshalled(t, rotated(t))
	for name, spoil := range map[string]func(ring map[string]any, list []map[string]any){
		"an unknown member":           func(r map[string]any, _ []map[string]any) { r["x"] = 1 },
		"an unknown member of a key":  func(_ map[string]any, l []map[string]any) { l[0]["x"] = 1 },
		"an unknown member of a plan": func(r map[string]any, _ []map[string]any) { r["plan"].(map[string]any)["x"] = 1 },
		"a name in capitals":          func(r map[string]any, _ []map[string]any) { r["Generation"] = r["generation"]; delete(r, "generation") },
		"another format":              func(r map[string]any, _ []map[string]any) { r["v"] = 2 },
		"no format":                   func(r map[string]any, _ []map[string]any) { delete(r, "v") },
		"generation zero":             func(r map[string]any, _ []map[string]any) { r["generation"] = 0 },
		"a generation with a fraction": func(r map[string]any, _ []map[string]any) {
			r["generation"] = json.Number("2.0")
		},
		"a generation as text":     func(r map[string]any, _ []map[string]any) { r["generation"] = "2" },
		"a negative generation":    func(r map[string]any, _ []map[string]any) { r["generation"] = -1 },
		"no time of writing":       func(r map[string]any, _ []map[string]any) { delete(r, "written") },
		"a time with a zone":       func(r map[string]any, _ []map[string]any) { r["written"] = "2026-03-01T06:00:00+01:00" },
		"a time with a zero more":  func(r map[string]any, _ []map[string]any) { r["written"] = "2026-03-01T06:00:00.10Z" },
		"a null":                   func(r map[string]any, _ []map[string]any) { r["written"] = nil },
		"an empty text":            func(_ map[string]any, l []map[string]any) { l[0]["sign_until"] = "" },
		"a duration in other form": func(r map[string]any, _ []map[string]any) { r["plan"].(map[string]any)["lease"] = "24h" },
		"keys as an object":        func(r map[string]any, _ []map[string]any) { r["keys"] = map[string]any{} },
		"no keys":                  func(r map[string]any, _ []map[string]any) { r["keys"] = []any{} },
		"a key that is no object":  func(r map[string]any, _ []map[string]any) { r["keys"] = []any{1} },
		"a key twice": func(r map[string]any, _ []map[string]any) {
			r["keys"] = append(r["keys"].([]any), r["keys"].([]any)[0])
		},
		"a purpose without a key": func(r map[string]any, l []map[string]any) {
			r["keys"] = without(l, func(k map[string]any) bool { return k["purpose"] == "rt" })
		},
		"a purpose without a standby": func(r map[string]any, l []map[string]any) {
			r["keys"] = without(l, func(k map[string]any) bool { return k["purpose"] == "rt" && k["sign_from"] == nil })
		},
		"a purpose with a standby alone": func(r map[string]any, l []map[string]any) {
			r["keys"] = without(l, func(k map[string]any) bool { return k["purpose"] == "rt" && k["sign_from"] != nil })
		},
		"an unknown purpose":   func(_ map[string]any, l []map[string]any) { l[0]["purpose"] = "x" },
		"another purpose":      func(_ map[string]any, l []map[string]any) { l[0]["purpose"] = "feed" },
		"another algorithm":    func(_ map[string]any, l []map[string]any) { l[0]["alg"] = "RS256" },
		"another kid":          func(_ map[string]any, l []map[string]any) { l[0]["kid"] = strings.Repeat("A", 43) },
		"no public half":       func(_ map[string]any, l []map[string]any) { delete(l[0], "public") },
		"a private public key": func(_ map[string]any, l []map[string]any) { l[0]["public"].(map[string]any)["d"] = "AA" },
		"a lost private half":  func(_ map[string]any, l []map[string]any) { delete(last(l, "at"), "private") },
		"the private half of another key": func(_ map[string]any, l []map[string]any) {
			last(l, "at")["private"] = l[1]["private"]
		},
		"a private half with spare bits": func(_ map[string]any, l []map[string]any) {
			p := last(l, "at")["private"].(string)
			last(l, "at")["private"] = p[:len(p)-1] + string(p[len(p)-1]+1)
		},
		"a private half with a byte more": func(_ map[string]any, l []map[string]any) {
			der, _ := base64.RawURLEncoding.DecodeString(last(l, "at")["private"].(string))
			last(l, "at")["private"] = base64.RawURLEncoding.EncodeToString(append(der, 0))
		},
		"a private half that is none": func(_ map[string]any, l []map[string]any) { last(l, "at")["private"] = "AAAA" },
		"a lost secret":               func(_ map[string]any, l []map[string]any) { delete(last(l, "rt"), "secret") },
		"a lost secret of a key that only opens": func(_ map[string]any, l []map[string]any) {
			for _, k := range l {
				if k["purpose"] == "rt" && k["sign_until"] != nil {
					delete(k, "secret")
					return
				}
			}
		},
		"a short secret": func(_ map[string]any, l []map[string]any) { last(l, "rt")["secret"] = "AAAA" },
		"the secret of another key": func(_ map[string]any, l []map[string]any) {
			last(l, "rt")["secret"] = last(l, "cookie")["secret"]
		},
		"a revoked key that holds its private half": func(_ map[string]any, l []map[string]any) {
			l[0]["private"] = "external"
		},
		"a revoked key without an end":          func(_ map[string]any, l []map[string]any) { delete(l[0], "verify_until") },
		"a key that signs but is not scheduled": func(_ map[string]any, l []map[string]any) { delete(l[1], "scheduled_at") },
		"a last signature without an end":       func(_ map[string]any, l []map[string]any) { delete(l[1], "verify_until") },
		"a key ready before it is published":    func(_ map[string]any, l []map[string]any) { shift(l[1], "ready_at", -1) },
		"a key that was never published":        func(_ map[string]any, l []map[string]any) { delete(last(l, "at"), "publish_at") },
		"a key published later than the ring was written": func(r map[string]any, l []map[string]any) {
			last(l, "rt")["publish_at"] = r["written"]
			shift(last(l, "rt"), "publish_at", 1)
		},
		"two standbys":          func(_ map[string]any, l []map[string]any) { two(l) },
		"no key without an end": func(_ map[string]any, l []map[string]any) { end(l) },
		"a point that is not on the curve": func(_ map[string]any, l []map[string]any) {
			x := l[0]["public"].(map[string]any)
			x["x"], x["y"] = x["y"], x["x"]
		},
	} {
		bad := edit(t, data, spoil)
		r, err := keys.ParseRing(bad)
		if r != nil || !errors.Is(err, keys.ErrMalformed) && !errors.Is(err, keys.ErrInvalidRing) && !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

func without(l []map[string]any, gone func(map[string]any) bool) (rest []any) {
	for _, k := range l {
		if !gone(k) {
			rest = append(rest, k)
		}
	}
	return rest
}

// last is the newest key of a purpose, its standby.
func last(l []map[string]any, p string) (k map[string]any) {
	for _, o := range l {
		if o["purpose"] == p {
			k = o
		}
	}
	return k
}

// two makes the scheduled key a second standby.
func two(l []map[string]any) {
	for _, k := range l {
		if k["purpose"] == "at" && k["sign_from"] != nil && k["sign_until"] == nil {
			delete(k, "sign_from")
			delete(k, "scheduled_at")
		}
	}
}

// end gives the last key of each chain an end without a successor.
func end(l []map[string]any) {
	for _, k := range l {
		if k["sign_from"] != nil && k["sign_until"] == nil {
			k["sign_until"], k["verify_until"] = "2036-01-01T00:00:00Z", "2037-01-01T00:00:00Z"
		}
	}
}

func TestANameTwiceIsRefusedWhereverItStands(t *testing.T) {
	data := string(marshalled(t, newRing(t)))
	for _, name := range []string{`"generation":1`, `"lease":"24h0m0s"`, `"at":"5m0s"`, `"kty":"EC"`, `"purpose":"rt"`} {
		if strings.Count(data, name) == 0 {
			t.Fatalf("%s is not there", name)
		}
		for what, twice := range map[string]string{"twice": name, "an escape in a name": `"\u00` + fmt.Sprintf("%02x", name[1]) + name[2:]} {
			bad := strings.Replace(data, name, twice+","+name, 1)
			if _, err := keys.ParseRing([]byte(bad)); !errors.Is(err, keys.ErrMalformed) || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v", twice, err)
			}
		}
	}
}

func TestParsersRefuseWhatIsNoJSONOrTooMuch(t *testing.T) {
	deep := strings.Repeat("[", 8) + strings.Repeat("]", 8)
	for name, data := range map[string]string{
		"nothing": "", "no JSON": "{", "two values": "{}{}", "a list": "[]", "a null": "null", "not UTF-8": "{\"keys\":[],\"\xff\":1}",
		"too deep": `{"keys":[],"x":` + deep + `}`, "too long": `{"keys":[]` + strings.Repeat(" ", keys.MaxRingBytes) + `}`,
		"too many members": `{"keys":[],"` + strings.Join(numbers(256), `":0,"`) + `":0}`,
		"too many values":  `{"keys":[],"x":[0` + strings.Repeat(",0", 2046) + `]}`,
		"an escaped name":  `{"keys":[],"\u0078":0}`, "half a string": `{"keys":["`, "a name alone": `{"keys"}`, "no comma": `{"keys":[]"x":1}`,
		"half a word": `{"keys":[],"x":tru}`, "a zero before a number": `{"keys":[],"x":01}`, "an unknown escape": `{"keys":[],"x":"\q"}`,
		"a control character": "{\"keys\":[],\"x\":\"\n\"}", "something behind": `{"keys":[]} x`,
		"a member without keys": `{"x":[]}`, "keys that are none": `{"keys":{}}`, "null keys": `{"keys":null}`,
	} {
		if _, err := keys.ParseRing([]byte(data)); !errors.Is(err, keys.ErrMalformed) {
			t.Errorf("ring, %s: %v", name, err)
		}
		if _, err := keys.ParseSet([]byte(data)); !errors.Is(err, keys.ErrMalformed) {
			t.Errorf("set, %s: %v", name, err)
		}
	}
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestASetMayHoldAsMuchAsTheLimitsSay(t *testing.T) {
	for name, data := range map[string]string{
		"members":            `{"keys":[],"` + strings.Join(numbers(255), `":0,"`) + `":0}`,
		"values":             `{"keys":[],"x":[0` + strings.Repeat(",0", 2045) + `]}`,
		"depth":              `{"keys":[],"x":` + strings.Repeat("[", 7) + strings.Repeat("]", 7) + `}`,
		"escapes in a value": `{"keys":[{"kty":"\u0045C\/","x":"\ud83d\ude00"}]}`,
	} {
		if _, err := keys.ParseSet([]byte(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARingOfTooManyKeysIsRefused(t *testing.T) {
	r, now := newRing(t), dawn
	for range keys.MaxKeys {
		n, err := r.Revoke(the(t, r, keys.RefreshToken, keys.Standby, now).ID, "", now)
		if err != nil {
			if !errors.Is(err, keys.ErrInvalidRing) || len(r.Keys()) != keys.MaxKeys {
				t.Errorf("with %d keys: %v", len(r.Keys()), err)
			}
			return
		}
		r, now = n, now.Add(time.Second)
	}
	t.Error("no limit")
}

func FuzzParseRing(f *testing.F) {
	f.Add(marshalled(f, newRing(f)))
	f.Add(marshalled(f, rotated(f)))
	f.Add([]byte(`{"v":1,"keys":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := keys.ParseRing(data)
		if err != nil {
			return
		}
		again, err := keys.ParseRing(marshalled(t, r))
		if err != nil || !bytes.Equal(marshalled(t, again), marshalled(t, r)) {
			t.Errorf("read, but not written so: %v", err)
		}
		_, _ = r.Rotate(keys.AccessToken, keys.Plan{}, dawn)
		for _, k := range r.Keys() {
			_, _ = r.Revoke(k.ID, "", dawn)
		}
	})
}
