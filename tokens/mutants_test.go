package tokens_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// A mutant is a token that somebody built by other rules than ours: header and
// payload as lists of members, each with the text it is written as. The parser
// sees only the text; the oracle (oracle_test.go) sees only the model.
type mutant struct {
	header, claims []member
	payload        string // instead of claims, where it is not JSON
	frame          string // what surrounds the two documents
	hand           string // who signs, and how
}

type member struct {
	name string // as every reader must understand it
	key  string // as it is written, without the quotes
	val  value
}

// value is one JSON value: how it is written and what that means.
type value struct {
	text string
	str  *string  // if it is a string that reads well
	num  *int64   // if it is an integer in plain digits
	list []string // if it is an array of strings that read well; not nil even if empty
	acts []string // if it is an act claim that reads well: who acts, the newest first
	junk bool     // not JSON, or broken inside
}

func str(s string) value { return value{text: `"` + s + `"`, str: &s} }

func num(n int64) value { return value{text: itoa(n), num: &n} }

// spelt is a string written otherwise than plainly.
func spelt(text, s string) value { return value{text: text, str: &s} }

func list(ss ...string) value {
	v := value{text: "[]", list: []string{}}
	if len(ss) > 0 {
		v.text, v.list = `["`+strings.Join(ss, `","`)+`"]`, ss
	}
	return v
}

// acts is an act claim, written as RFC 8693 has it.
func acts(names ...string) value {
	v := value{text: "{", acts: names}
	for i, name := range names {
		if i > 0 {
			v.text += `,"act":{`
		}
		v.text += `"sub":"` + name + `"`
	}
	v.text += strings.Repeat("}", len(names))
	return v
}

// written is an act claim that says the same otherwise.
func written(text string, names ...string) value { return value{text: text, acts: names} }

func other(text string) value { return value{text: text} }
func junk(text string) value  { return value{text: text, junk: true} }

func plain(name string, v value) member { return member{name, name, v} }

func (m *mutant) document(members []member) string {
	var b strings.Builder
	sep := ","
	if m.frame == "spaced" {
		sep = " ,\r\n\t"
	}
	b.WriteByte('{')
	for i, x := range members {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(`"` + x.key + `":` + x.val.text)
	}
	b.WriteByte('}')
	switch m.frame {
	case "spaced":
		return " " + b.String() + "\n"
	case "bom":
		return "\ufeff" + b.String()
	case "trailing":
		return b.String() + "x"
	case "twice":
		return b.String() + b.String()
	case "array":
		return "[" + b.String() + "]"
	case "comma":
		return strings.TrimSuffix(b.String(), "}") + ",}"
	}
	return b.String()
}

// hands are the ways to sign. The first stands for "with the right key".
var hands = []string{
	"right", "right", "right", "right", "right", "right", "right", "right",
	"wrong key", "retired", "revoked", "unknown", "other purpose", "public as hmac",
	"high s", "empty", "truncated", "other bytes", "spare bits", "newline",
}

// stranger is who signs by this hand, and the kid that he claims. Whoever has
// no business signing signs with a key of the same algorithm, where there is
// one.
func (f *fixture) stranger(hand string, k keys.Key) (signer keys.Key, kid string) {
	switch hand {
	case "wrong key":
		switch {
		case k.Alg == keys.ES256:
			return f.retired, k.ID
		case k.Alg == keys.RS256:
			return secondRSA(), k.ID
		case k.ID == f.feed.ID:
			return f.ed, k.ID
		}
		return f.feed, k.ID
	case "retired":
		return f.retired, f.retired.ID
	case "revoked":
		return f.revoked, f.revoked.ID
	case "unknown":
		return k, strings.Repeat("u", 43)
	case "other purpose":
		if k.Purpose == keys.Feed {
			return f.ed, f.ed.ID
		}
		return f.feed, f.feed.ID
	}
	return k, k.ID
}

// secondRSA is an RSA key that no source knows. It takes long to make.
var secondRSA = sync.OnceValue(func() keys.Key {
	k, err := keys.Generate(keys.AccessToken, keys.RS256)
	if err != nil {
		panic(err)
	}
	return k
})

// build writes the mutant down and signs it.
func (m *mutant) build(t testing.TB, f *fixture, k keys.Key) string {
	signer, _ := f.stranger(m.hand, k)
	payload := m.payload
	if payload == "" {
		payload = m.document(m.claims)
	}
	input := b64(m.document(m.header)) + "." + b64(payload)
	raw := craftInput(t, input, signer)
	dot := strings.LastIndexByte(raw, '.')
	sig := must[[]byte](t)(base64.RawURLEncoding.DecodeString(raw[dot+1:]))
	switch m.hand {
	case "public as hmac":
		sig = hmac256(publicBytes(t, k), input)
	case "high s":
		sig = setS(sig, true)
	case "empty":
		sig = nil
	case "truncated":
		sig = sig[:len(sig)-1]
	case "other bytes":
		input = strings.Replace(input, ".", ".e", 1)
	}
	raw = input + "." + base64.RawURLEncoding.EncodeToString(sig)
	switch m.hand {
	case "spare bits": // 64 bytes leave four of them in the last character
		last := strings.IndexByte(alphabet, raw[len(raw)-1])
		raw = raw[:len(raw)-1] + string(alphabet[last|1])
	case "newline":
		raw = raw[:dot] + "\n" + raw[dot:]
	}
	return raw
}

func craftInput(t testing.TB, input string, k keys.Key) string {
	t.Helper()
	h, p, _ := strings.Cut(input, ".")
	header := must[[]byte](t)(base64.RawURLEncoding.DecodeString(h))
	payload := must[[]byte](t)(base64.RawURLEncoding.DecodeString(p))
	return craft(t, string(header), string(payload), k.Signer(), string(k.Alg))
}

func publicBytes(t testing.TB, k keys.Key) []byte {
	return must[[]byte](t)(x509.MarshalPKIXPublicKey(k.Public()))
}

// TestMutantsMeetTheOracle builds tokens at random from what issuers,
// libraries and attackers do, signs them by right and by wrong, and compares
// the verdict of Verify with that of the oracle.
func TestMutantsMeetTheOracle(t *testing.T) {
	f := setup(t)
	n := 20_000
	if full {
		n = 1_000_000
	}
	var accepted, expired, acceptedRSA atomic.Int64
	eachPosition(64, func(lot int) {
		rng := rand.New(rand.NewPCG(7, uint64(lot)))
		for range n / 64 {
			k := f.es
			switch n := rng.IntN(64); {
			case n < 16:
				k = f.ed
			case n == 16: // few, because an RSA signature takes long
				k = f.rs
			}
			m := newMutant(rng, f, k)
			raw := m.build(t, f, k)
			want := judge(m, k.Alg, f)
			_, err := tokens.Verify(raw, f.src, orders(), noon)
			if _, live := tokens.VerifyLive(raw, f.src, orders(), noon); (live == nil) != (err == nil) {
				t.Errorf("Verify says %v, VerifyLive %v of %s", err, live, raw)
			}
			switch got := verdictOf(err); {
			case got != want:
				t.Errorf("got %s (%v), the oracle says %s:\n%s %s\n%s\nsigned: %s", got, err, want,
					k.Alg, m.document(m.header), m.document(m.claims), m.hand)
			case got == "accepted":
				accepted.Add(1)
				if k.Alg == keys.RS256 {
					acceptedRSA.Add(1)
				}
			case got == "expired":
				expired.Add(1)
			}
		}
	})
	t.Logf("%d mutants: %d accepted (%d of RS256), %d expired, the rest refused", n/64*64, accepted.Load(), acceptedRSA.Load(), expired.Load())
	if accepted.Load() < int64(n/50) || expired.Load() < int64(n/500) || acceptedRSA.Load() < int64(n/5000) {
		t.Error("too few mutants are good to tell anything")
	}
}

func verdictOf(err error) string {
	switch {
	case err == nil:
		return "accepted"
	case errors.Is(err, tokens.ErrExpired):
		return "expired"
	case errors.Is(err, tokens.ErrInvalid):
		return "refused"
	}
	return "fault"
}

func newMutant(rng *rand.Rand, f *fixture, k keys.Key) *mutant {
	m := &mutant{hand: hands[rng.IntN(len(hands))]}
	if k.Alg != keys.ES256 && m.hand == "high s" || k.Alg == keys.RS256 && m.hand == "spare bits" {
		m.hand = "right" // there is no such thing
	}
	_, kid := f.stranger(m.hand, k)
	age := pick(rng, int64(0), 0, 0, 300, 359, 360, 3600)
	m.header = []member{
		plain("alg", str(string(k.Alg))), plain("kid", str(kid)), plain("typ", str("at+jwt")),
	}
	m.claims = []member{
		plain("iss", str("https://auth.example.com")), plain("sub", str("ann")), plain("aud", list("orders", "stock")),
		plain("client_id", str("login")), plain("exp", num(noon.Unix()+300-age)), plain("iat", num(noon.Unix()-age)),
		plain("auth_time", num(noon.Add(-time.Hour).Unix())), plain("jti", str(id(1).String())),
		plain("sid", str(id(2).String())), plain("scope", str("a b")), plain("roles", list("clerk")),
	}
	if rng.IntN(8) == 0 {
		m.frame = pick(rng, "spaced", "spaced", "spaced", "bom", "trailing", "twice", "array", "comma")
	}
	if rng.IntN(4) == 0 {
		m.header = mutate(rng, m.header, headerValue)
	}
	for range rng.IntN(4) {
		m.claims = mutate(rng, m.claims, claimValue)
	}
	return m
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// mutate changes one thing in a list of members.
func mutate(rng *rand.Rand, in []member, draw func(*rand.Rand, string) value) []member {
	out := append([]member(nil), in...)
	if len(out) == 0 {
		return out
	}
	i := rng.IntN(len(out))
	switch rng.IntN(8) {
	case 0: // leave one out
		return append(out[:i], out[i+1:]...)
	case 1: // say it twice
		return append(out, plain(out[i].name, draw(rng, out[i].name)))
	case 2: // say it in another case
		return append(out, plain(otherCase(rng, out[i].name), out[i].val))
	case 3: // add one
		name := pick(rng, "crit", "zip", "jku", "jwk", "b64", "enc", "nbf", "cnf", "act", "tenant", "x5c", "nonce", "Tenant")
		return append(out, plain(name, draw(rng, name)))
	case 4: // hide the name
		out[i].key = `\u00` + hex2(out[i].name[0]) + out[i].name[1:]
	case 5: // another order
		rng.Shuffle(len(out), func(a, b int) { out[a], out[b] = out[b], out[a] })
	default:
		out[i].val = draw(rng, out[i].name)
	}
	return out
}

func otherCase(rng *rand.Rand, name string) string {
	switch rng.IntN(3) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return strings.Replace(name, "s", "ſ", 1) // U+017F folds to s
}

func hex2(c byte) string { return string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]) }

func headerValue(rng *rand.Rand, name string) value {
	switch name {
	case "alg":
		return pick(rng, str("none"), str("HS256"), str("ES256"), str("EdDSA"), str("RS256"), str("es256"),
			spelt(`"\u0045S256"`, "ES256"), num(1), other("null"), list("ES256"), str("dir"), str(""))
	case "typ":
		return pick(rng, str("at+jwt"), str("JWT"), str("AT+JWT"), str("session+jwe"), str("application/at+jwt"),
			spelt(`"at\u002bjwt"`, "at+jwt"), other("null"), str(""))
	case "enc":
		return pick(rng, str("A256GCM"), spelt(`"A256GC\u004d"`, "A256GCM"), str("A128GCM"), str("A256CBC-HS512"), str("a256gcm"),
			other("null"), str(""), list("A256GCM"))
	case "kid":
		return pick(rng, str("k"), str(""), str("a/b"), num(7), other("null"), str(strings.Repeat("k", 65)))
	}
	return pick(rng, str("DEF"), list("exp"), other("true"), other("{}"), num(1), str(""))
}

func claimValue(rng *rand.Rand, name string) value {
	now := noon.Unix()
	switch name {
	case "exp", "iat", "auth_time", "nbf":
		return pick(rng, num(now+300), num(now), num(now-30), num(now-59), num(now-61), num(now+59), num(now+60),
			num(now+61), num(now+62), num(now-3600), num(now+86400), num(now+86401), num(1), num(1<<32-1), num(1<<32), num(0),
			other("-1"), other("-0"), other("1.5"), other("1e9"), junk("01"), junk("+1"), other("null"), str("1772366700"),
			other("99999999999999999999999"), other("[1]"), junk("0x10"), junk("NaN"))
	case "aud", "roles":
		return pick(rng, list("orders"), list("stock"), list("a", "orders"), list(), str("orders"), str("stock"), str(""),
			list(""), other("[1]"), other(`["orders",null]`), other(`[["orders"]]`), other("{}"), other("null"), junk(`["orders",]`),
			list(strings.Split(strings.Repeat("x", 255), "")...), list(strings.Split(strings.Repeat("x", 256), "")...))
	case "jti", "sid":
		return pick(rng, str(id(5).String()), str(id(5).String()[:21]), str(strings.Repeat("A", 22)), str(id(5).String()+"A"),
			str(id(5).String()[:21]+"B"), num(5), other("null"), str(""))
	case "scope":
		return pick(rng, str("a"), str("a b c"), str("a  b"), str(" a"), str(""), list("a"), spelt(`"a\u0020b"`, "a b"),
			spelt(`"a\"b"`, `a"b`), spelt(`"\u00e4"`, "ä"), num(1))
	case "act":
		return pick(rng, acts("orders"), acts("stock", "orders", "login"), acts("a", "b", "c", "d", "e", "f"), acts("a", "b", "c", "d", "e", "f", "g"),
			written(`{"act":{"sub":"login"},"sub":"orders"}`, "orders", "login"), written(` { "sub" : "orders" , "x" : [ { } ] } `, "orders"),
			written(`{"sub":"\u006frders"}`, "orders"), acts(""), acts("orders", ""), other("{}"), other(`{"act":{"sub":"login"}}`), other(`{"sub":1}`),
			other("null"), str("orders"), list("orders"), other(`{"sub":"orders","act":null}`), other(`{"sub":"orders","Sub":"x"}`),
			other(`{"sub":"orders","aCt":{"sub":"x"}}`), junk(`{"sub":"orders","sub":"orders"}`), junk(`{"s\u0075b":"orders"}`),
			junk(`{"sub":"orders",}`), acts(strings.Repeat("a", 255)), acts(strings.Repeat("a", 256)))
	case "tenant", "Tenant", "nonce":
		return pick(rng, str("x"), num(1), other("-1.5e-3"), other("[1,[2,[3]]]"), other(`{"a":{"b":null}}`),
			junk(`{"a":1,"a":1}`), junk(`[{"a":1,"a":1}]`), junk("1e999"), junk(strings.Repeat("[", 8)+strings.Repeat("]", 8)),
			other(strings.Repeat("[", 7)+strings.Repeat("]", 7)), junk("tru"), junk("\"\x01\""), junk("\"\xff\""), junk(`"\ud800"`), junk("1."), junk(".1"))
	case "iss":
		return pick(rng, str("https://auth.example.com"), str("https://auth.example.com/"), str(""), num(1),
			spelt(`"https:\/\/auth.example.com"`, "https://auth.example.com"), str("HTTPS://auth.example.com"))
	}
	return pick(rng, str("bob"), str(""), num(1), other("null"), other("true"), spelt(`"\u0061\t"`, "a\t"),
		spelt(`"\ud83d\ude00"`, "😀"), spelt(`"a\u2028"`, "a\u2028"), junk(`"\ud83d"`), junk(`"\q"`), junk(`"\u12"`),
		str(strings.Repeat("s", 255)), str(strings.Repeat("s", 256)), list("bob"))
}
