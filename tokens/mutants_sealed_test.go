package tokens_test

import (
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	josecipher "github.com/go-jose/go-jose/v4/cipher"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// A sealedMutant is a cookie or a refresh token that somebody made by other
// rules than ours, maybe somebody who has the key. It is built from AES alone.
type sealedMutant struct {
	mutant
	typ   string
	plain []field // of what is sealed
	tail  string  // behind it, or, if it begins with -, what is cut off
}

// field is a part of a plaintext: its bytes, and whether they may stand there.
type field struct {
	bytes string
	bad   bool
}

// sealingHands are the ways to seal.
var sealingHands = []string{
	"right", "right", "right", "right", "right", "right", "right", "right",
	"wrong key", "retired", "revoked", "unknown", "other purpose", "other header", "flipped", "short tag", "long tag", "short iv",
	"long iv", "no ciphertext", "encrypted key", "no encrypted key", "six parts", "four parts", "spare bits", "newline", "signed",
}

// sealers are a fixture's sealing keys with those that are no good any more.
type sealers struct {
	*fixture
	src          bundle
	spare        map[keys.Purpose]keys.Key // of no source
	retired, rev map[keys.Purpose]keys.Key
}

func newSealers(t *testing.T) *sealers {
	t.Helper()
	s := &sealers{fixture: setup(t), spare: map[keys.Purpose]keys.Key{}, retired: map[keys.Purpose]keys.Key{}, rev: map[keys.Purpose]keys.Key{}}
	s.src = bundle{map[string]keys.Key{}, map[string]error{}}
	for _, k := range []keys.Key{s.cookie, s.refresh, s.feed, s.es} {
		s.src.keys[k.ID] = k
	}
	for i, p := range []keys.Purpose{keys.SessionCookie, keys.RefreshToken} {
		for j, into := range []map[keys.Purpose]keys.Key{s.spare, s.retired, s.rev} {
			secret := []byte(strings.Repeat(string(rune('a'+3*i+j)), keys.SecretSize))
			into[p] = must[keys.Key](t)(keys.NewSealingKey(p, secret))
		}
		s.src.faults[s.retired[p].ID], s.src.faults[s.rev[p].ID] = keys.ErrRetiredKey, keys.ErrRevokedKey
	}
	return s
}

func (s *sealers) keyOf(typ string) keys.Key {
	if typ == tokens.TypSession {
		return s.cookie
	}
	return s.refresh
}

// stranger is who seals by this hand, and the kid that he claims.
func (s *sealers) stranger(hand, typ string) (keys.Key, string) {
	k := s.keyOf(typ)
	switch hand {
	case "wrong key":
		return s.spare[k.Purpose], k.ID
	case "retired":
		return s.retired[k.Purpose], s.retired[k.Purpose].ID
	case "revoked":
		return s.rev[k.Purpose], s.rev[k.Purpose].ID
	case "unknown":
		return s.spare[k.Purpose], s.spare[k.Purpose].ID
	case "other purpose":
		if k.Purpose == keys.SessionCookie {
			return s.refresh, s.refresh.ID
		}
		return s.cookie, s.cookie.ID
	}
	return k, k.ID
}

func TestSealedMutantsMeetTheOracle(t *testing.T) {
	s := newSealers(t)
	n := 10_000
	if full {
		n = 1_000_000
	}
	enter := map[string]func(string) error{
		tokens.TypSession: func(raw string) error { _, err := tokens.OpenSession(raw, s.src, noon); return err },
		tokens.TypRefresh: func(raw string) error { _, err := tokens.OpenRefresh(raw, s.src, noon); return err },
	}
	var accepted atomic.Int64
	eachPosition(64, func(lot int) {
		rng := rand.New(rand.NewPCG(9, uint64(lot)))
		for range n / 64 {
			m := newSealedMutant(rng, s)
			raw := m.build(t, rng, s)
			want := goodSealed(m, s)
			err := enter[m.typ](raw)
			if verdictOf(err) == "fault" || (err == nil) != want {
				t.Errorf("%v, the oracle says %v:\n%s\n%q, tail %q\nsealed: %s", err, want, m.document(m.header), m.plaintext(), m.tail, m.hand)
			}
			if err == nil {
				accepted.Add(1)
			}
			for typ, door := range enter {
				if typ != m.typ && door(raw) == nil {
					t.Errorf("%s of %s is taken at the door of %s", m.document(m.header), m.typ, typ)
				}
			}
		}
	})
	t.Logf("%d mutants: %d accepted", n/64*64, accepted.Load())
	if accepted.Load() < int64(n/50) {
		t.Error("too few mutants are good to tell anything")
	}
}

func newSealedMutant(rng *rand.Rand, s *sealers) *sealedMutant {
	m := &sealedMutant{typ: pick(rng, tokens.TypSession, tokens.TypRefresh)}
	m.hand = pick(rng, sealingHands...)
	if m.hand == "no encrypted key" && m.typ == tokens.TypSession {
		m.hand = "right" // there is none anyway
	}
	alg := "dir"
	if m.plain = aSession(rng); m.typ == tokens.TypRefresh {
		alg, m.plain = "A256KW", aRefresh(rng)
	}
	_, kid := s.stranger(m.hand, m.typ)
	m.header = []member{plain("alg", str(alg)), plain("enc", str("A256GCM")), plain("kid", str(kid)), plain("typ", str(m.typ))}
	if rng.IntN(8) == 0 {
		m.frame = pick(rng, "spaced", "spaced", "bom", "trailing", "twice", "array", "comma")
	}
	if rng.IntN(4) == 0 {
		m.header = mutate(rng, m.header, sealedHeaderValue)
	}
	if rng.IntN(8) == 0 {
		m.tail = pick(rng, "\x00", "\x01\x00", "-1", "-2", "-9", "-all")
	}
	return m
}

func sealedHeaderValue(rng *rand.Rand, name string) value {
	switch name {
	case "alg":
		return pick(rng, str("dir"), str("A256KW"), spelt(`"d\u0069r"`, "dir"), str("A128KW"), str("A256GCMKW"), str("RSA-OAEP"),
			str("PBES2-HS256+A128KW"), str("ECDH-ES"), str("DIR"), str("none"), other("null"), str(""))
	case "typ":
		return pick(rng, str(tokens.TypSession), str(tokens.TypRefresh), str(tokens.TypAccess), str("SESSION+JWE"), str("JWT"),
			spelt(`"session\u002bjwe"`, tokens.TypSession), spelt(`"rt\u002bjwe"`, tokens.TypRefresh), other("null"))
	}
	return headerValue(rng, name)
}

// draw takes good or bad bytes for a field, the good ones mostly.
func draw(rng *rand.Rand, good, bad []string) field {
	if rng.IntN(12) == 0 {
		return field{pick(rng, bad...), true}
	}
	return field{pick(rng, good...), false}
}

func aSession(rng *rand.Rand) []field {
	part := func() field {
		return draw(rng, []string{block("x"), block("{}"), block(strings.Repeat("y", 300))}, []string{block(""), "\xff\xffx"})
	}
	return []field{
		draw(rng, []string{"\x01"}, []string{"\x00", "\x02", "\xff"}),
		part(), part(), part(),
		draw(rng, []string{block(""), block("{}"), block(`{"a":[1,{"b":null}]}`), block(" {} ")},
			[]string{block("[]"), block("1"), block("null"), block(`{"a":1,"a":1}`), block(`{"a":}`), block("{\"\xff\":1}"), block("{}x"),
				block(`{"\u0061":1}`), block(strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9))}),
		{uint32s(rng.Uint32()), false},
		aTime(rng), aTime(rng),
	}
}

func aRefresh(rng *rand.Rand) []field {
	zeros := strings.Repeat("\x00", 16)
	ms := func(allowed ...string) field {
		return draw(rng, append(allowed, uint64s(1), uint64s(1_772_366_400_000), uint64s(4294967295000)),
			[]string{uint64s(4294967295001), uint64s(1 << 63), uint64s(1<<64 - 1)})
	}
	attempts := draw(rng, []string{uint64s(0) + uint64s(0), uint64s(1) + uint64s(1), uint64s(1_772_366_400_000) + uint64s(4294967295000)},
		[]string{uint64s(0) + uint64s(1), uint64s(2) + uint64s(1), uint64s(1) + uint64s(4294967295001), uint64s(1<<63) + uint64s(1<<63)})
	version := draw(rng, []string{"\x01", "\x02", "\x03"}, []string{"\x00", "\x04", "\xff"})
	if version.bytes == "\x01" {
		attempts = field{}
	}
	p := []field{
		version,
		draw(rng, []string{"\x00", "\x01"}, []string{"\x02", "\xff"}),
		draw(rng, []string{strings.Repeat("s", 16), zeros[:15] + "\x01"}, []string{zeros}),
		{uint32s(rng.Uint32()), false},
		ms(), ms(uint64s(0)),
		attempts,
		aTime(rng), aTime(rng), aTime(rng),
		aText(block)(rng), aText(block)(rng),
	}
	if rng.IntN(24) == 0 { // iat 0 has no meaning, that of a parent has
		p[4] = field{uint64s(0), true}
	}
	if version.bytes != "\x03" {
		audiences, audience := texts(rng, 1, aText(block))
		scopes, scope := texts(rng, 0, aScope(block))
		return append(p, audiences, audience, scopes, scope)
	}
	audiences, audience := texts(rng, 1, aText(short))
	scopes, scope := texts(rng, 0, aScope(short))
	return append(p, audiences, scopes, audience, scope)
}

func aTime(rng *rand.Rand) field {
	return draw(rng, []string{uint32s(1), uint32s(1_772_366_400), uint32s(1<<32 - 1)}, []string{uint32s(0)})
}

// aText draws a text behind its length, which sized writes.
func aText(sized func(string) string) func(*rand.Rand) field {
	return func(rng *rand.Rand) field {
		return draw(rng, each(sized, "ann", "é😀", strings.Repeat("s", 255), `a"b \`),
			append(each(sized, "", strings.Repeat("s", 256), "a\tb", "a\x7f", "a\xff", "a\u2028"), "\xff\xffann"))
	}
}

func aScope(sized func(string) string) func(*rand.Rand) field {
	return func(rng *rand.Rand) field {
		return draw(rng, each(sized, "orders:read", "a", strings.Repeat("s", 255)),
			each(sized, "", "a b", "é", `a"b`, `a\b`, "a\n", strings.Repeat("s", 256)))
	}
}

func each(sized func(string) string, list ...string) (out []string) {
	for _, s := range list {
		out = append(out, sized(s))
	}
	return out
}

// texts is a count and as many texts; least is how many there must be. A long list
// has one good text again and again, since one bad one is enough.
func texts(rng *rand.Rand, least int, item func(*rand.Rand) field) (count, list field) {
	n := pick(rng, 0, 1, 1, 1, 2, 3, 64, 255)
	again := item(rng)
	for again.bad || len(again.bytes) > 20 {
		again = item(rng)
	}
	for range n {
		f := again
		if n <= 3 {
			f = item(rng)
		}
		list.bytes += f.bytes
		list.bad = list.bad || f.bad
	}
	return field{string([]byte{byte(n)}), n < least}, list
}

// short is a text behind a length of one byte.
func short(s string) string { return string([]byte{byte(len(s))}) + s }

func block(s string) string {
	return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s
}

func uint32s(v uint32) string {
	return string([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
func uint64s(v uint64) string { return uint32s(uint32(v>>32)) + uint32s(uint32(v)) }

func (m *sealedMutant) plaintext() string {
	var b strings.Builder
	for _, f := range m.plain {
		b.WriteString(f.bytes)
	}
	text := b.String()
	switch m.tail {
	case "-1", "-2", "-9":
		return text[:len(text)-int(m.tail[1]-'0')]
	case "-all":
		return text[:1]
	}
	return text + m.tail
}

// build writes the mutant down and seals it (RFC 7516 §5.1).
func (m *sealedMutant) build(t *testing.T, rng *rand.Rand, s *sealers) string {
	k, _ := s.stranger(m.hand, m.typ)
	header := b64(m.document(m.header))
	if m.hand == "signed" {
		return craft(t, m.document(m.header), m.plaintext(), s.es.Signer(), "ES256")
	}
	content, wrapped := k.Secret(), []byte(nil)
	if m.typ == tokens.TypRefresh {
		content = randomBytes(rng, 32)
		wrapped = must[[]byte](t)(josecipher.KeyWrap(must[cipher.Block](t)(aes.NewCipher(k.Secret())), content))
	}
	aad := header
	if m.hand == "other header" {
		aad = b64(`{"alg":"dir"}`)
	}
	iv := randomBytes(rng, 12)
	gcm := must[cipher.AEAD](t)(cipher.NewGCM(must[cipher.Block](t)(aes.NewCipher(content))))
	box := gcm.Seal(nil, iv, []byte(m.plaintext()), []byte(aad))
	text, tag := box[:len(box)-16], box[len(box)-16:]
	switch m.hand {
	case "flipped":
		text[rng.IntN(len(text))] ^= 1 << rng.IntN(8)
	case "short tag":
		tag = tag[:15-rng.IntN(12)]
	case "long tag":
		tag = append(tag, 0)
	case "short iv":
		iv = iv[:11]
	case "long iv":
		iv = append(iv, 0)
	case "no ciphertext":
		text = nil
	case "no encrypted key":
		wrapped = nil
	case "encrypted key":
		if wrapped = append(wrapped, 0); m.typ == tokens.TypRefresh {
			wrapped = wrapped[:40]
			wrapped[rng.IntN(40)] ^= 1
		}
	}
	return m.compact(header, string(wrapped), string(iv), string(text), string(tag))
}

// compact is the compact serialization, or nearly so.
func (m *sealedMutant) compact(header string, parts ...string) string {
	raw := header
	for _, p := range parts {
		raw += "." + b64(p)
	}
	switch m.hand {
	case "six parts":
		return raw + "."
	case "four parts":
		return raw[:strings.LastIndexByte(raw, '.')]
	case "spare bits": // 16 bytes leave four of them in the last character of the tag
		last := strings.IndexByte(alphabet, raw[len(raw)-1])
		return raw[:len(raw)-1] + string(alphabet[last|1])
	case "newline":
		return raw[:len(header)] + "\n" + raw[len(header):]
	}
	return raw
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// goodSealed is the oracle: one header, one way to seal, and each field of the
// plaintext good.
func goodSealed(m *sealedMutant, s *sealers) bool {
	if m.frame != "" && m.frame != "spaced" || m.hand != "right" || m.tail != "" {
		return false
	}
	alg := map[string]string{tokens.TypSession: "dir", tokens.TypRefresh: "A256KW"}[m.typ]
	if !exactly(m.header, map[string]string{"alg": alg, "enc": "A256GCM", "kid": s.keyOf(m.typ).ID, "typ": m.typ}) {
		return false
	}
	for _, f := range m.plain {
		if f.bad {
			return false
		}
	}
	return true
}
