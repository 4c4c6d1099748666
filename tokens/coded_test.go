package tokens_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// withTable are new sealing keys that have such a table.
func withTable(t testing.TB, f *fixture, list ...string) (cookie, refresh keys.Key) {
	t.Helper()
	plan := keys.DefaultPlan()
	plan.Names = must[*keys.Names](t)(keys.NewNames(list))
	ring := must[*keys.Ring](t)(keys.NewRing(plan, keys.ES256, noon))
	cookie = must[keys.Key](t)(ring.Current(keys.SessionCookie, noon))
	refresh = must[keys.Key](t)(ring.Current(keys.RefreshToken, noon))
	f.src.keys[cookie.ID], f.src.keys[refresh.ID] = cookie, refresh
	return cookie, refresh
}

func TestWhatIsSealedWithATableComesOutTheSame(t *testing.T) {
	f := setup(t)
	pool := officeRoles(40)
	rapid.Check(t, func(rt *rapid.T) {
		table := rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, len(pool), rapid.ID).Draw(rt, "table")
		cookie, refresh := withTable(t, f, table...)
		name := rapid.SampledFrom(pool)
		c, r := annsClaims(), annsRefresh()
		c.Audience = rapid.SliceOfN(name, 1, 4).Draw(rt, "aud")
		c.Scope = rapid.SliceOfN(name, 0, 40).Draw(rt, "scope")
		c.Roles = rapid.SliceOfN(name, 0, 60).Draw(rt, "roles")
		r.Audience, r.Scope = c.Audience, c.Scope
		token, err := tokens.Sign(c, f.es)
		if err != nil {
			rt.Fatal(err)
		}
		for _, seal := range []func(*tokens.Session, keys.Key) (string, error){tokens.SealSession, tokens.SealLongest} {
			sealed, err := seal(annsSession(token), cookie)
			if err != nil {
				rt.Fatal(err)
			}
			if s, err := tokens.OpenSession(sealed, f.src, noon); err != nil || s.Token != token || string(s.Data) != string(annsSession("").Data) {
				rt.Fatalf("another session came out: %v", err)
			}
		}
		sealed, err := tokens.SealRefresh(r, refresh)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := tokens.OpenRefresh(sealed, f.src, noon); err != nil || !slices.Equal(got.Audience, r.Audience) || !slices.Equal(got.Scope, r.Scope) || got.SessionEnd != r.SessionEnd {
			rt.Fatalf("another refresh token came out: %+v, %v", got, err)
		}
	})
}

// Each text of the table takes as many bits as the number of names has, whatever
// it says, and also where nothing is squeezed: so a bound needs no example.
func TestANameTakesAsManyBitsAsTheTableNeeds(t *testing.T) {
	f := setup(t)
	pool := officeRoles(288)
	for _, n := range []int{1, 2, 3, 4, 99, 100} {
		cookie, refresh := withTable(t, f, pool[:n]...)
		width := bits.Len(uint(n))
		for _, count := range []int{1, 7, 8, 100} {
			c, r := annsClaims(), annsRefresh()
			c.Audience, c.Scope, c.Roles = []string{"orders"}, nil, nil
			bare := len(opened(t, f, c, cookie))
			for i := range count {
				c.Roles = append(c.Roles, pool[i%n])
			}
			want := ((1+count)*width+7)/8 - (width+7)/8 // the audience, which is not in the table, has a code too
			if got := len(opened(t, f, c, cookie)) - bare; got != want {
				t.Errorf("%d of %d names: %d bytes more, want %d", count, n, got, want)
			}
			r.Audience, r.Scope = []string{"orders"}, nil
			bareToken := must[string](t)(tokens.SealRefresh(r, refresh))
			r.Scope = c.Roles
			if got := (len(must[string](t)(tokens.SealRefresh(r, refresh))) - len(bareToken)) * 3 / 4; got < want-1 || got > want+1 {
				t.Errorf("%d of %d scopes: %d bytes more of a refresh token, want %d", count, n, got, want)
			}
		}
	}
}

func TestCodesAreCheckedOneByOne(t *testing.T) {
	f := setup(t)
	cookie, _ := withTable(t, f, "orders", "admin", "clerk", "guest")
	c := annsClaims()
	c.Audience, c.Scope, c.Roles = []string{"orders"}, nil, []string{"admin", "other", "clerk"}
	plain := opened(t, f, c, cookie)
	// form, length of fixed; …, counts 1 0 3, then 3 bits each: 0, 1, 4, 2 and zeroes
	fixed := 3 + int(plain[1])<<8 + int(plain[2])
	counts, codes := fixed-5, fixed-2
	if plain[0] != 4 || !bytes.Equal(plain[counts:fixed], []byte{1, 0, 3, 0b000_001_10, 0b0_010_0000}) {
		t.Fatalf("form %d, codes %b", plain[0], plain[counts:fixed])
	}
	if !bytes.Contains(plain[fixed:], []byte("\x05other")) || bytes.Contains(plain, []byte("admin")) {
		t.Errorf("%q", plain[fixed:])
	}
	changed := func(at int, v byte) []byte {
		out := slices.Clone(plain)
		out[at] = v
		return out
	}
	for name, in := range map[string][]byte{
		"a place beyond the last":           changed(codes+1, 0b0_101_0000),
		"a name without a text":             changed(codes+1, 0b0_100_0000),
		"a text without a name":             changed(codes, 0b000_001_01),
		"a bit after the last":              changed(codes+1, 0b0_010_0001),
		"one more than there are codes":     changed(counts+2, 6),
		"a text that the table has":         bytes.Replace(plain, []byte("other"), []byte("guest"), 1),
		"codes, said to be without a table": changed(0, 2),
	} {
		raw := must[string](t)(tokens.Seal(tokens.TypSession, in, cookie))
		if _, err := tokens.OpenSession(raw, f.src, noon); reasonOf(err) != tokens.BadPayload {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw := must[string](t)(tokens.Seal(tokens.TypSession, plain, f.cookie))
	if _, err := tokens.OpenSession(raw, f.src, noon); reasonOf(err) != tokens.BadPayload {
		t.Errorf("under a key without a table: %v", err)
	}
}

// opened is the plaintext of a cookie with such claims, at its longest.
func opened(t *testing.T, f *fixture, c *tokens.Claims, k keys.Key) []byte {
	t.Helper()
	token := must[string](t)(tokens.Sign(c, f.es))
	sealed := must[string](t)(tokens.SealLongest(&tokens.Session{Token: token, SessionEnd: noon, IdleEnd: noon}, k))
	return must[[]byte](t)(tokens.Open(tokens.TypSession, sealed, f.src, noon))
}

// Few bits stand for long names: they are not read out to more than a token holds.
func TestCodesDoNotSwell(t *testing.T) {
	f := setup(t)
	var list []string
	for i := range 7 {
		list = append(list, strings.Repeat(fmt.Sprint(i), 255))
	}
	cookie, refresh := withTable(t, f, list...)
	c := annsClaims()
	c.Audience, c.Scope, c.Roles = list[:1], nil, nil
	plain := opened(t, f, c, cookie)
	fixed := 3 + int(plain[1])<<8 + int(plain[2])
	swollen := append([]byte{}, plain[:fixed-2-2]...) // without the codes and the counts but the first
	swollen = append(swollen[:fixed-4], 255, 255, 255)
	swollen = append(swollen, make([]byte, (3*255*3+7)/8)...)
	n := len(swollen) - 3
	swollen[1], swollen[2] = byte(n>>8), byte(n)
	raw := must[string](t)(tokens.Seal(tokens.TypSession, append(swollen, plain[fixed:]...), cookie))
	if _, err := tokens.OpenSession(raw, f.src, noon); reasonOf(err) != tokens.BadPayload {
		t.Error(err)
	}
	if got, limit := allocated(3, func() { _, _ = tokens.OpenSession(raw, f.src, noon) }), uint64(4*len(raw)+64<<10); got > limit {
		t.Errorf("%d bytes for an input of %d", got, len(raw))
	}
	r := annsRefresh()
	r.Audience, r.Scope = slices.Repeat(list, 36), slices.Repeat(list[:5], 50)
	if _, err := tokens.SealRefresh(r, refresh); !errors.Is(err, tokens.ErrTooLong) {
		t.Error(err)
	}
}
