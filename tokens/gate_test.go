package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func keyWithoutPrivate(t testing.TB, f *fixture) keys.Key {
	t.Helper()
	raw := must[[]byte](t)(f.es.Public().(*ecdsa.PublicKey).Bytes()) // 4 ‖ x ‖ y
	doc := must[[]byte](t)(json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": f.es.ID,
		"x": base64.RawURLEncoding.EncodeToString(raw[1:33]),
		"y": base64.RawURLEncoding.EncodeToString(raw[33:]),
	}}}))
	set := must[*keys.Set](t)(keys.ParseSet(doc))
	return must[keys.Key](t)(set.Key(f.es.ID, keys.AccessToken, noon))
}

// Every header here is signed with the right key, and each is refused before
// the key is asked for: the source fails the test if it is.
func TestHeadersAreRefusedBeforeAnyKeyIsUsed(t *testing.T) {
	f := setup(t)
	kid := `"kid":"` + f.es.ID + `"`
	good := `{"alg":"ES256",` + kid + `,"typ":"at+jwt"}`
	add := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	payload := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.es)))
	const bad = tokens.BadHeader
	for name, c := range map[string]struct {
		header string
		want   tokens.Reason
	}{
		"none":                        {`{"alg":"none",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"None":                        {`{"alg":"None",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"HS256":                       {`{"alg":"HS256",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"ES384":                       {`{"alg":"ES384",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"PS256":                       {`{"alg":"PS256",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"es256":                       {`{"alg":"es256",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"A256GCM":                     {`{"alg":"A256GCM",` + kid + `,"typ":"at+jwt"}`, tokens.WrongAlg},
		"no alg":                      {`{` + kid + `,"typ":"at+jwt"}`, bad},
		"alg as a number":             {`{"alg":256,` + kid + `,"typ":"at+jwt"}`, bad},
		"no kid":                      {`{"alg":"ES256","typ":"at+jwt"}`, bad},
		"empty kid":                   {`{"alg":"ES256","kid":"","typ":"at+jwt"}`, bad},
		"empty enc":                   {`{"alg":"ES256","enc":"",` + kid + `,"typ":"at+jwt"}`, bad},
		"kid null":                    {`{"alg":"ES256","kid":null,"typ":"at+jwt"}`, bad},
		"kid with a path":             {`{"alg":"ES256","kid":"../../etc/passwd","typ":"at+jwt"}`, bad},
		"kid with a quote":            {`{"alg":"ES256","kid":"' OR 1=1 --","typ":"at+jwt"}`, bad},
		"kid of 65 characters":        {`{"alg":"ES256","kid":"` + strings.Repeat("k", 65) + `","typ":"at+jwt"}`, bad},
		"no typ":                      {`{"alg":"ES256",` + kid + `}`, bad},
		"typ JWT":                     {`{"alg":"ES256",` + kid + `,"typ":"JWT"}`, tokens.WrongType},
		"typ in capitals":             {`{"alg":"ES256",` + kid + `,"typ":"AT+JWT"}`, tokens.WrongType},
		"typ with its media type":     {`{"alg":"ES256",` + kid + `,"typ":"application/at+jwt"}`, tokens.WrongType},
		"typ of the feed":             {`{"alg":"ES256",` + kid + `,"typ":"sealring-feed+jws"}`, tokens.WrongType},
		"crit":                        {add(`"crit":["exp"]`), bad},
		"b64":                         {add(`"b64":false`), bad},
		"b64 and crit":                {add(`"b64":false,"crit":["b64"]`), bad},
		"zip":                         {add(`"zip":"DEF"`), bad},
		"cty":                         {add(`"cty":"JWT"`), bad},
		"jku":                         {add(`"jku":"https://evil.example/jwks"`), bad},
		"jwk":                         {add(`"jwk":{"kty":"oct","k":"AA"}`), bad},
		"x5u":                         {add(`"x5u":"https://evil.example/c"`), bad},
		"x5c":                         {add(`"x5c":["AA"]`), bad},
		"x5t":                         {add(`"x5t":"AA"`), bad},
		"x5t#S256":                    {add(`"x5t#S256":"AA"`), bad},
		"p2c":                         {add(`"p2c":2147483647`), bad},
		"p2s":                         {add(`"p2s":"AA"`), bad},
		"epk":                         {add(`"epk":{}`), bad},
		"apu":                         {add(`"apu":"AA"`), bad},
		"apv":                         {add(`"apv":"AA"`), bad},
		"enc in a JWS":                {add(`"enc":"A256GCM"`), bad},
		"iss":                         {add(`"iss":"https://auth.example.com"`), bad},
		"an unknown member":           {add(`"x":1`), bad},
		"an empty name":               {add(`"":1`), bad},
		"a duplicate alg":             {add(`"alg":"ES256"`), bad},
		"a duplicate kid":             {add(kid), bad},
		"Alg":                         {add(`"Alg":"none"`), bad},
		"an escaped name":             {strings.Replace(good, `"alg"`, `"\u0061lg"`, 1), bad},
		"an escape that is no escape": {strings.Replace(good, "ES256", `ES\x256`, 1), bad},
		"an array":                    {`["ES256"]`, bad},
		"a string":                    {`"ES256"`, bad},
		"null":                        {`null`, bad},
		"nothing":                     {` `, bad},
		"half an object":              {good[:len(good)-1], bad},
		"two objects":                 {good + good, bad},
		"a byte order mark":           {"\ufeff" + good, bad},
		"not UTF-8":                   {strings.Replace(good, "ES256", "ES256\xff", 1), bad},
		"a trailing NUL":              {good + "\x00", bad},
		"a header of 400 bytes":       {good + strings.Repeat(" ", 400-len(good)), tokens.BadForm},
	} {
		t.Run(name, func(t *testing.T) {
			raw := craft(t, c.header, payload, f.es.Signer(), "ES256")
			if _, err := tokens.Verify(raw, noSource{t}, orders(), noon); reasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// noSource is a source that must not be asked.
type noSource struct{ t *testing.T }

func (s noSource) Key(string, keys.Purpose, time.Time) (keys.Key, error) {
	s.t.Error("a key was asked for")
	return keys.Key{}, keys.ErrUnknownKey
}

func TestHeadersThatMeanTheSameAreTaken(t *testing.T) {
	f := setup(t)
	payload := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.es)))
	for name, header := range map[string]string{
		"another order":      `{"typ":"at+jwt","kid":"` + f.es.ID + `","alg":"ES256"}`,
		"white space":        "{ \"typ\" : \"at+jwt\" ,\n\t\"kid\":\"" + f.es.ID + "\",\r\"alg\":\"ES256\" } ",
		"escapes in a value": `{"typ":"at\u002bjwt","kid":"` + f.es.ID + `","alg":"\u0045S256"}`,
	} {
		raw := craft(t, header, payload, f.es.Signer(), "ES256")
		if _, err := tokens.Verify(raw, f.src, orders(), noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormIsExact(t *testing.T) {
	f := setup(t)
	good := must[string](t)(tokens.Sign(annsClaims(), f.es))
	p := strings.Split(good, ".")
	spare := func(s string) string { // the same bytes, spare bits set
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if len(s)%4 == 0 {
			t.Fatal("no spare bits here")
		}
		last := strings.IndexByte(alphabet, s[len(s)-1])
		return s[:len(s)-1] + alphabet[last+1:last+2]
	}
	for name, raw := range map[string]string{
		"empty":                         "",
		"one dot":                       ".",
		"two dots":                      "..",
		"a megabyte of dots":            strings.Repeat(".", 1<<20),
		"two parts":                     p[0] + "." + p[1],
		"four parts":                    good + ".",
		"five parts":                    good + ".AA.AA",
		"no header":                     "." + p[1] + "." + p[2],
		"no payload":                    p[0] + ".." + p[2],
		"no signature":                  p[0] + "." + p[1] + ".",
		"a blank in front":              " " + good,
		"a line break behind":           good + "\n",
		"a line break inside":           p[0] + "." + p[1] + "." + p[2][:40] + "\r\n" + p[2][40:],
		"padding":                       good + "==",
		"standard base64":               p[0] + "." + p[1] + "." + "+/" + p[2][2:],
		"spare bits in the signature":   p[0] + "." + p[1] + "." + spare(p[2]),
		"a signature of 1025 bytes":     p[0] + "." + p[1] + "." + strings.Repeat("A", 1367),
		"a single character left over":  p[0] + "." + p[1] + "." + p[2] + "AAA",
		"a header over the cap":         strings.Repeat("A", 516) + "." + p[1] + "." + p[2],
		"with Bearer in front":          "Bearer " + good,
		"a NUL inside":                  good[:50] + "\x00" + good[50:],
		"a Unicode look-alike":          strings.Replace(good, "e", "е", 1),
		"the JSON serialization":        `{"protected":"` + p[0] + `","payload":"` + p[1] + `","signature":"` + p[2] + `"}`,
		"the cap and a byte":            p[0] + "." + strings.Repeat("A", tokens.MaxTokenLen-len(p[0])-len(p[2])-1) + "." + p[2],
		"an artefact twice":             good + "." + good,
		"an artefact twice with commas": good + "," + good,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokens.Verify(raw, noSource{t}, orders(), noon)
			if r := reasonOf(err); r != tokens.BadForm && r != tokens.TooLong {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFormFaultsAreNamed(t *testing.T) {
	f := setup(t)
	good := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for raw, want := range map[string]string{
		good[:30]:   "too few parts",
		good + ".":  "too many parts",
		good + "\n": "not canonical base64url",
	} {
		var e *tokens.Error
		if _, err := tokens.Verify(raw, f.src, orders(), noon); !errors.As(err, &e) || e.Detail != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestSignaturesAreOfTheOneFormAndKey(t *testing.T) {
	f := setup(t)
	good := must[string](t)(tokens.Sign(annsClaims(), f.es))
	dot := strings.LastIndexByte(good, '.')
	input := good[:dot]
	sig := must[[]byte](t)(base64.RawURLEncoding.DecodeString(good[dot+1:]))
	public := must[[]byte](t)(f.es.Public().(*ecdsa.PublicKey).Bytes())
	for name, forged := range map[string][]byte{
		"the higher s":                 setS(sig, true),
		"the public key as HMAC key":   hmac256(public, input),
		"63 bytes":                     sig[:63],
		"65 bytes":                     append(append([]byte(nil), sig...), 0),
		"r and s swapped":              append(append([]byte(nil), sig[32:]...), sig[:32]...),
		"all zero":                     make([]byte, 64),
		"another token's":              otherSignature(t, f),
		"the signature, twice":         append(append([]byte(nil), sig...), sig...),
		"an Ed25519 signature of ours": edSignature(t, f, input),
	} {
		t.Run(name, func(t *testing.T) {
			raw := input + "." + base64.RawURLEncoding.EncodeToString(forged)
			if _, err := tokens.Verify(raw, f.src, orders(), noon); reasonOf(err) != tokens.BadSignature {
				t.Errorf("got %v", err)
			}
		})
	}
}

func otherSignature(t testing.TB, f *fixture) []byte {
	c := annsClaims()
	c.Subject = "bob"
	raw := must[string](t)(tokens.Sign(c, f.es))
	return must[[]byte](t)(base64.RawURLEncoding.DecodeString(raw[strings.LastIndexByte(raw, '.')+1:]))
}

func edSignature(t testing.TB, f *fixture, input string) []byte {
	return must[[]byte](t)(f.ed.Signer().Sign(nil, []byte(input), crypto.Hash(0)))
}
