package tokens_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// officeRoles are n roles as offices name them, a department, a thing and a verb,
// in no order that would help.
func officeRoles(n int) (roles []string) {
	departments := []string{"finance", "logistics", "procurement", "legal", "people", "research", "retail", "security"}
	things := []string{"ledgers", "contracts", "parcels", "vendors", "salaries", "patents", "tickets", "badges", "budgets"}
	verbs := []string{"view", "edit", "approve", "archive"}
	for i := range n {
		i = i * 61 % (len(departments) * len(things) * len(verbs))
		roles = append(roles, departments[i%len(departments)]+"."+things[i/len(departments)%len(things)]+"."+verbs[i/(len(departments)*len(things))%len(verbs)])
	}
	return roles
}

func withRoles(n int) *tokens.Claims {
	c := annsClaims()
	c.Subject = "1f0c9a52-6a0c-4d5e-9f3e-7c1f0e9b2d44"
	c.Roles = officeRoles(n)
	return c
}

// plainJWE is what anybody would make of the same claims: their JSON, sealed.
func plainJWE(t *testing.T, token string, k keys.Key) int {
	payload := strings.Split(token, ".")[1]
	return len(sealAs(t, jose.DIRECT, jose.A256GCM, k.Secret(), &jose.EncrypterOptions{}, "", string(must[[]byte](t)(decode64(payload)))))
}

func TestASessionOf2955BytesFitsInto1700(t *testing.T) {
	f := setup(t)
	c := withRoles(105)
	for i := 0; ; i++ { // to the byte
		token := must[string](t)(tokens.Sign(c, f.es))
		if n := len(must[[]byte](t)(decode64(strings.Split(token, ".")[1]))); n == 2955 {
			break
		} else if n > 2955 {
			t.Fatalf("%d bytes", n)
		}
		c.Subject += "0"
	}
	token := must[string](t)(tokens.Sign(c, f.es))
	sealed := must[string](t)(tokens.SealSession(&tokens.Session{Token: token, SessionEnd: noon, IdleEnd: noon}, f.cookie))
	coded, _ := withTable(t, f, officeRoles(288)...)
	short := must[string](t)(tokens.SealSession(&tokens.Session{Token: token, SessionEnd: noon, IdleEnd: noon}, coded))
	t.Logf("2,955 bytes of claims with %d roles: plain JWE %d bytes, ours with the signature %d, with a table of 288 roles %d", len(c.Roles), plainJWE(t, token, f.cookie), len(sealed), len(short))
	if got := must[*tokens.Session](t)(tokens.OpenSession(short, f.src, noon)); got.Token != token || len(short) > len(sealed) {
		t.Errorf("with a table: %d bytes, or another token", len(short))
	}
	if len(sealed) > 1700 {
		t.Errorf("%d bytes", len(sealed))
	}
	if got := must[*tokens.Session](t)(tokens.OpenSession(sealed, f.src, noon)); got.Token != token {
		t.Error("another token came out")
	}
}

// What holds no repetition at all is never much larger than without our care: at
// most a hundred bytes above a plain JWE of the same content, with a signature that
// takes 86 of them in a plain JWS.
func TestASealedSessionIsNeverMuchLargerThanAPlainJWE(t *testing.T) {
	f := setup(t)
	text := rapid.StringMatching(`[a-zA-Z0-9äß漢|@./:"<&-]{1,40}`)
	coded, _ := withTable(t, f, officeRoles(200)...) // of no use here
	some := must[string](t)(tokens.Sign(annsClaims(), f.ed))
	bare := plainJWE(t, some, f.cookie) - len(strings.Split(some, ".")[1]) // a JWE but for its content
	mostOver, mostSame := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		signer := rapid.SampledFrom([]keys.Key{f.es, f.ed}).Draw(t, "signer")
		key := rapid.SampledFrom([]keys.Key{f.cookie, coded}).Draw(t, "key")
		c := annsClaims()
		c.Subject, c.ClientID = text.Draw(t, "sub"), text.Draw(t, "client_id")
		c.Audience = rapid.SliceOfN(text, 1, 5).Draw(t, "aud")
		c.Roles = rapid.SliceOfN(text, 0, 40).Draw(t, "roles")
		c.Scope = rapid.SliceOfN(rapid.StringMatching(`[a-z0-9:]{1,20}`), 0, 20).Draw(t, "scope")
		data := []byte(rapid.SampledFrom([]string{"", `{"theme":"dark"}`}).Draw(t, "data"))
		token, err := tokens.Sign(c, signer)
		if err != nil {
			t.Skip()
		}
		sealed, err := tokens.SealSession(&tokens.Session{Token: token, Data: data, SessionEnd: noon, IdleEnd: noon}, key)
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := decode64(strings.Split(token, ".")[1])
		over := len(sealed) - bare - base64.RawURLEncoding.EncodedLen(len(payload)+len(data)) // than a JWE of claims and data
		same := len(sealed) - bare - base64.RawURLEncoding.EncodedLen(len(payload)+len(data)+len(`,"v":7,"end":1772366400,"idle":1772366400`))
		if mostOver, mostSame = max(mostOver, over), max(mostSame, same); same > 100 {
			t.Fatalf("%d bytes more than a plain JWE", same)
		}
		got, err := tokens.OpenSession(sealed, f.src, noon)
		if err != nil || got.Token != token {
			t.Fatalf("another token came out: %v", err)
		}
	})
	t.Logf("at most %d bytes above a plain JWE of the claims and the data, %d of one that also has the version and both ends", mostOver, mostSame)
}

func TestTokensOfAnotherSpellingAreKeptAsTheyAre(t *testing.T) {
	f := setup(t)
	token := must[string](t)(tokens.Sign(annsClaims(), f.es))
	part := strings.Split(token, ".")
	payload := string(must[[]byte](t)(decode64(part[1])))
	for name, other := range map[string]string{
		"a claim more":     strings.Replace(payload, "{", `{"amr":["pwd"],`, 1),
		"a blank":          strings.Replace(payload, ":", ": ", 1),
		"an escape":        strings.Replace(payload, `"ann"`, `"\u0061nn"`, 1),
		"another order":    `{"sub":"ann",` + strings.Replace(payload, `"sub":"ann",`, "", 1)[1:],
		"one audience":     strings.Replace(payload, `["orders","stock"]`, `"orders"`, 1),
		"not even claims":  "{}",
		"another type":     "[]",
		"a zero auth_time": strings.Replace(payload, `"auth_time":`, `"auth_time":0,"x":`, 1),
	} {
		raw := part[0] + "." + b64(other) + "." + part[2]
		sealed := must[string](t)(tokens.SealSession(&tokens.Session{Token: raw, SessionEnd: noon, IdleEnd: noon}, f.cookie))
		if got := must[*tokens.Session](t)(tokens.OpenSession(sealed, f.src, noon)); got.Token != raw {
			t.Errorf("%s: another token came out", name)
		}
	}
}

func TestPackedTokensAreCheckedFieldByField(t *testing.T) {
	f := setup(t)
	plain := must[[]byte](t)(tokens.Open(tokens.TypSession, must[string](t)(tokens.SealSession(annsSession(must[string](t)(tokens.Sign(annsClaims(), f.es))), f.cookie)), f.src, noon))
	if plain[0] != 3 {
		t.Fatalf("form %d", plain[0])
	}
	fixed := 3 + int(plain[1])<<8 + int(plain[2])
	texts := plain[fixed+2 : fixed+2+int(plain[fixed])<<8+int(plain[fixed+1])]
	rest := plain[fixed+2+len(texts):]
	build := func(form byte, texts []byte) []byte {
		out := append([]byte{form}, plain[1:fixed]...)
		out = append(out, byte(len(texts)>>8), byte(len(texts)))
		return append(append(out, texts...), rest...)
	}
	changed := func(at int, v byte) []byte {
		out := append([]byte{}, plain...)
		out[at] = v
		return out
	}
	for name, c := range map[string][]byte{
		"an unknown algorithm":        changed(3, 9),
		"no kid":                      changed(4, 0),
		"squeezed, said to be plain":  build(2, texts),
		"texts that are not squeezed": build(3, []byte("\x00\x03ann")),
		"a byte after the squeezed":   build(3, append(append([]byte{}, texts...), 0)),
		"squeezed and cut":            build(3, texts[:len(texts)-1]),
		"no texts":                    build(2, nil),
		"texts that swell":            build(3, swelling(t, 1<<20)),
	} {
		raw := must[string](t)(tokens.Seal(tokens.TypSession, c, f.cookie))
		if _, err := tokens.OpenSession(raw, f.src, noon); reasonOf(err) != tokens.BadPayload {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The sizes are those of the picture in the README.
func TestSizesOfSessionsByNumberOfRoles(t *testing.T) {
	f := setup(t)
	coded, _ := withTable(t, f, officeRoles(288)...)
	var rows []sizes
	for n := 0; n <= 200; n += 10 {
		token := must[string](t)(tokens.Sign(withRoles(n), f.es))
		sealed := must[string](t)(tokens.SealSession(&tokens.Session{Token: token, SessionEnd: noon, IdleEnd: noon}, f.cookie))
		short := must[string](t)(tokens.SealSession(&tokens.Session{Token: token, SessionEnd: noon, IdleEnd: noon}, coded))
		r := sizes{n, plainJWE(t, token, f.cookie), len(sealed), len(short)}
		t.Logf("%3d roles: %5d bytes as a plain JWE, %5d sealed here, %5d with a table of 288", r.roles, r.jwe, r.sealed, r.coded)
		if max(r.sealed, r.coded) > r.jwe+100 {
			t.Errorf("%d roles: %d and %d bytes, a plain JWE has %d", n, r.sealed, r.coded, r.jwe)
		}
		rows = append(rows, r)
	}
	const path = "testdata/sizes.svg"
	if *update {
		if err := os.WriteFile(path, []byte(plot(rows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if drawn := must[[]byte](t)(os.ReadFile(path)); string(drawn) != plot(rows) {
		t.Errorf("%s shows other sizes: go test ./tokens -run SizesOfSessions -update", path)
	}
}

type sizes struct{ roles, jwe, sealed, coded int }

// plot draws bytes against roles, with the 4,096 bytes that a browser keeps.
func plot(rows []sizes) string {
	const width, height, left, top, most = 640, 320, 64, 24, 7500
	x := func(roles int) int { return left + roles*(width-left-150)/200 }
	y := func(bytes int) int { return height - 44 - bytes*(height-44-top)/most }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12" role="img" aria-label="Bytes of a session cookie by its number of roles">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for v := 0; v < most; v += 1000 {
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#e5e7eb"/><text x="%d" y="%d" text-anchor="end" fill="#4b5563">%d</text>`+"\n", left, y(v), x(200), left-8, y(v)+4, v)
	}
	for n := 0; n <= 200; n += 50 {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#4b5563">%d</text>`+"\n", x(n), height-26, n)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#4b5563">roles</text>`+"\n", x(100), height-8)
	fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#b91c1c" stroke-dasharray="5 4"/><text x="%d" y="%d" fill="#b91c1c">4,096: all a browser keeps</text>`+"\n", left, y(4096), x(200), left+6, y(4096)-6)
	line := func(name, colour string, of func(sizes) int) {
		var points []string
		for _, r := range rows {
			points = append(points, fmt.Sprintf("%d,%d", x(r.roles), y(of(r))))
		}
		last := rows[len(rows)-1]
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%d" fill="%s">%s: %d</text>`+"\n",
			strings.Join(points, " "), colour, x(200)+8, y(of(last))+4, colour, name, of(last))
	}
	line("plain JWE", "#6b7280", func(r sizes) int { return r.jwe })
	line("Sealring", "#1d4ed8", func(r sizes) int { return r.sealed })
	line("short_names", "#047857", func(r sizes) int { return r.coded })
	b.WriteString("</svg>\n")
	return b.String()
}

func decode64(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }

// swelling is n bytes of text, squeezed.
func swelling(t testing.TB, n int) []byte {
	var out bytes.Buffer
	w := must[*flate.Writer](t)(flate.NewWriter(&out, flate.BestCompression))
	_, _ = w.Write(make([]byte, n))
	_ = w.Close()
	return out.Bytes()
}
