package keys_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

// Memory is at most 4 × input + 64 KiB, whatever comes and whether or not it
// is taken in the end. Private halves of keys, which only the holder of the
// master key can have put there, come on top with 32 times their size: that is
// what crypto/x509 and crypto/rsa ask for.
func TestMemoryIsBoundedByTheInput(t *testing.T) {
	inputs := hostileDocuments()
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		first, err := keys.NewRing(keys.DefaultPlan(), alg, dawn)
		if err != nil {
			t.Fatal(err)
		}
		inputs["a new ring, "+string(alg)] = marshalled(t, first)
		inputs["a crowded ring, "+string(alg)] = crowded(t, first)
		inputs["a set of 64, "+string(alg)] = fullSet(t, alg)
		inputs["session keys and public ones, "+string(alg)] = keys.MergeSets(first.PublicSet(dawn), first.SessionKeys(dawn)).JWKS()
	}
	table := make([]string, keys.MaxNames)
	for i := range table {
		table[i] = strconv.FormatInt(int64(i), 36) // the shortest that differ
	}
	inputs["a ring with tables"] = marshalled(t, ringWith(t, names(t, table...)))
	inputs["session keys with tables"] = ringWith(t, names(t, table...)).SessionKeys(dawn).JWKS()
	inputs["a ring of many revoked keys"] = marshalled(t, fullRing(t))
	inputs["RSA keys of 8192 bit"] = moduli(t, 8192)
	for name, data := range inputs {
		limit := uint64(4*len(data) + 64<<10)
		check(t, "ParseSet of "+name, limit, func() { _, _ = keys.ParseSet(data) })
		check(t, "ParseRing of "+name, limit+32*privateBytes(data), func() { _, _ = keys.ParseRing(data) })
	}
}

func check(t *testing.T, what string, limit uint64, do func()) {
	t.Helper()
	if got := allocated(do); got > limit {
		t.Errorf("%s: %d bytes, at most %d", what, got, limit)
	}
}

// privateBytes is the size of the private halves in the JSON of a ring.
func privateBytes(data []byte) (sum uint64) {
	var ring struct{ Keys []struct{ Private string } }
	if json.Unmarshal(data, &ring) != nil {
		return 0
	}
	for _, k := range ring.Keys {
		sum += uint64(base64.RawURLEncoding.DecodedLen(len(k.Private)))
	}
	return sum
}

// hostileDocuments make whoever reads them keep as much as he can be made to.
func hostileDocuments() map[string][]byte {
	list := func(item string, n int) string { return `{"keys":[` + strings.Repeat(item+",", n-1) + item + `]}` }
	members := func(n int, value string) string {
		return `{"` + strings.Join(numbers(n), `":`+value+`,"`) + `":` + value + `}`
	}
	inputs := map[string][]byte{}
	for name, text := range map[string]string{
		"nothing":                       "",
		"empty objects":                 list("{}", 87000),
		"64 empty objects":              list("{}", 64),
		"lists":                         list("[]", 87000),
		"zeros":                         list("0", 130000),
		"zeros beside the keys":         `{"keys":[],"x":[0` + strings.Repeat(",0", 130000) + `]}`,
		"nested lists":                  list("[[[[[[]]]]]]", 20000),
		"brackets":                      strings.Repeat("[", 260000),
		"braces":                        strings.Repeat(`{"":`, 65000),
		"as many members as may be":     members(256, "0"),
		"many members":                  members(30000, "0"),
		"members of all of 64 entries":  list(members(30, "0"), 64),
		"objects in objects":            list(members(5, members(5, "0")), 64),
		"members within members":        within(6, 250),
		"escapes":                       list(`{"kid":"`+strings.Repeat(`\u0041`, 600)+`"}`, 64),
		"escapes in every member":       list(`{"kid":"\u0041","use":"\u0073ig","alg":"\u0045S256","kty":"\u0045C","crv":"\u0050-256","x":"\u0041","y":"\u0041"}`, 64),
		"a long text":                   `{"keys":[{"kid":"` + strings.Repeat("A", 250000) + `"}]}`,
		"a long text of escapes":        `{"keys":[{"kid":"` + strings.Repeat(`\n`, 125000) + `"}]}`,
		"a long name":                   `{"` + strings.Repeat("A", 250000) + `":0,"keys":[]}`,
		"a long modulus":                `{"keys":[{"alg":"RS256","use":"sig","kty":"RSA","e":"AQAB","n":"` + strings.Repeat("B", 250000) + `"}]}`,
		"a long coordinate":             `{"keys":[{"alg":"ES256","use":"sig","kty":"EC","crv":"P-256","x":"` + strings.Repeat("B", 250000) + `","y":""}]}`,
		"white space":                   strings.Repeat(" ", 250000) + "{}",
		"a private half of nothing":     list(`{"kid":"x","purpose":"at","alg":"EdDSA","publish_at":"2026-03-01T06:00:00Z","public":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"private":"`+strings.Repeat("A", 4000)+`"}`, 64),
		"a ring of nothing":             `{"v":1,"generation":1,"written":"2026-03-01T06:00:00Z","plan":{},"keys":[{}` + strings.Repeat(",{}", 100000) + `]}`,
		"an unknown member of the ring": `{"v":1,"x":"` + strings.Repeat("A", 500000) + `"}`,
		"too long":                      strings.Repeat(" ", keys.MaxRingBytes+1),
	} {
		inputs[name] = []byte(text)
	}
	inputs["no UTF-8"] = bytes.Repeat([]byte{0xff}, 250000)
	return inputs
}

// within has so many members at each of so many levels.
func within(depth, n int) string {
	inner := "0"
	for range depth {
		inner = `{"` + strings.Join(numbers(n-1), `":0,"`) + `":0,"x":` + inner + `}`
	}
	return `{"keys":[` + inner + `]}`
}

// fullRing has as many keys as a ring can hold.
func fullRing(t *testing.T) *keys.Ring {
	t.Helper()
	r := newRing(t)
	for len(r.Keys()) < keys.MaxKeys {
		n, err := r.Revoke(the(t, r, keys.AccessToken, keys.Standby, dawn).ID, "", dawn)
		if err != nil {
			t.Fatal(err)
		}
		r = n
	}
	return r
}

// fullSet has as many keys as a set can hold.
func fullSet(t *testing.T, alg keys.Alg) []byte {
	t.Helper()
	if alg == keys.RS256 { // whose keys are slow to make
		return moduli(t, 3072)
	}
	var list []string
	for len(list) < keys.MaxKeys {
		k, err := json.Marshal(entry(t, alg))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(k))
	}
	return []byte(`{"keys":[` + strings.Join(list, ",") + `]}`)
}

// crowded is the ring with its last access token key, private half included,
// so often that there are as many as can be. That is found at the very end.
func crowded(t *testing.T, r *keys.Ring) []byte {
	t.Helper()
	return edit(t, marshalled(t, r), func(ring map[string]any, list []map[string]any) {
		all := ring["keys"].([]any)
		for len(all) < keys.MaxKeys {
			all = append(all, last(list, "at"))
		}
		ring["keys"] = all
	})
}

// moduli is a set of as many RSA keys as can be, whose moduli nobody can
// tell from honest ones.
func moduli(t *testing.T, bits int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var list []string
	for len(list) < keys.MaxKeys {
		raw := make([]byte, bits/8)
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		raw[0], raw[len(raw)-1] = raw[0]|0x80, raw[len(raw)-1]|1
		k, err := keys.NewSigningKey(keys.AccessToken, keys.RS256, public{&rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 65537}})
		if err == nil {
			list = append(list, fmt.Sprintf(`{"kid":%q,"kty":"RSA","alg":"RS256","use":"sig","n":%q,"e":"AQAB"}`,
				k.ID, base64.RawURLEncoding.EncodeToString(raw)))
		}
	}
	return []byte(`{"keys":[` + strings.Join(list, ",") + `]}`)
}

// allocated is how many bytes do asks for in all, freed or not.
func allocated(do func()) uint64 {
	least := uint64(1 << 62)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// A set lives as long as its follower, and the document it was read from, as
// large as an issuer likes, must not.
func TestAKeySetDoesNotKeepItsDocument(t *testing.T) {
	k, err := json.Marshal(entry(t, keys.ES256))
	if err != nil {
		t.Fatal(err)
	}
	doc := []byte(`{"keys":[` + string(k) + `]` + strings.Repeat(" ", 200<<10) + `}`)
	var sets []*keys.Set
	before := inUse()
	for range 50 {
		set, err := keys.ParseSet(doc)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	if grown := inUse() - before; grown > 2<<20 {
		t.Errorf("%d sets of one key keep %d bytes", len(sets), grown)
	}
	runtime.KeepAlive(sets)
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
