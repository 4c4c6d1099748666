package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

func names(t testing.TB, list ...string) *keys.Names {
	t.Helper()
	n, err := keys.NewNames(list)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func planWith(n *keys.Names) keys.Plan {
	p := keys.DefaultPlan()
	p.Names = n
	return p
}

func ringWith(t testing.TB, n *keys.Names) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(planWith(n), keys.ES256, dawn)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// table is the table of a key as one text.
func table(k keys.Key) string {
	var list []string
	for i := range k.Names().Len() {
		list = append(list, k.Names().At(i))
	}
	return strings.Join(list, " ")
}

func TestNamesAreFoundAtTheirPlaces(t *testing.T) {
	n := names(t, "viewer", "admin", "größe <&>\"\\\u2028")
	for i, name := range []string{"viewer", "admin", "größe <&>\"\\\u2028"} {
		if at, ok := n.Find(name); n.Len() != 3 || !ok || at != i || n.At(i) != name {
			t.Errorf("%q is at %d, %v", name, at, ok)
		}
	}
	for _, name := range []string{"", "a", "admin2", "zzz", "viewer\nadmin"} {
		if _, ok := n.Find(name); ok {
			t.Errorf("%q was found", name)
		}
	}
	var none *keys.Names
	if _, ok := none.Find(""); ok || none.Len() != 0 || names(t) != nil {
		t.Error("the empty table has something in it")
	}
}

func TestATableIsRefused(t *testing.T) {
	many := make([]string, keys.MaxNames+1)
	for i := range many {
		many[i] = fmt.Sprintf("%x", i)
	}
	for name, list := range map[string][]string{
		"a name twice": {"a", "b", "a"}, "an empty name": {"a", ""}, "only an empty name": {""},
		"a line end": {"a\nb"}, "a control character": {"a\x85"}, "no UTF-8": {"a\xff"},
		"a long name": {strings.Repeat("a", 256)}, "too many": many,
		"too much": {strings.Repeat("<", 255), strings.Repeat(">", 255), strings.Repeat("&", 255), strings.Repeat("<>", 120), strings.Repeat("&>", 120), strings.Repeat("&<", 120)},
	} {
		if n, err := keys.NewNames(list); !errors.Is(err, keys.ErrNames) || n != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was sealed must be read by the table that it was sealed with, so a key
// keeps its own: another table comes with another key.
func TestATableComesWithTheKeysThatAreMadeFromThenOn(t *testing.T) {
	r := ringWith(t, names(t, "admin"))
	for _, k := range r.Keys() {
		want := "admin"
		if k.Purpose == keys.AccessToken || k.Purpose == keys.Feed {
			want = ""
		}
		if table(k) != want {
			t.Errorf("%v has the table %q", k, table(k))
		}
	}
	now := dawn.Add(48 * time.Hour)
	next, err := r.Rotate(keys.SessionCookie, planWith(names(t, "admin", "clerk")), now)
	if err != nil {
		t.Fatal(err)
	}
	next = rotate(t, next, keys.RefreshToken, now) // under the ring's own plan
	for _, p := range []keys.Purpose{keys.SessionCookie, keys.RefreshToken} {
		if got := table(the(t, next, p, keys.Signing, now)); got != "admin" {
			t.Errorf("the key that was made before has the table %q", got)
		}
		if got := table(the(t, next, p, keys.Standby, now)); got != "admin clerk" {
			t.Errorf("the new standby has the table %q", got)
		}
	}
	same, err := next.Rotate(keys.SessionCookie, keys.DefaultPlan(), now.Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dead, err := same.Revoke(the(t, same, keys.SessionCookie, keys.Signing, now.Add(48*time.Hour)).ID, "", now.Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range dead.Keys() {
		if k.Purpose == keys.SessionCookie && k.RevokedAt.IsZero() && k.PublishAt.After(dawn.Add(time.Hour)) && table(k) != "admin clerk" {
			t.Errorf("%v has the table %q", k, table(k))
		}
		if !k.RevokedAt.IsZero() && k.Names() != nil {
			t.Error("a revoked key opens nothing, and has a table")
		}
	}
}

func TestATableTravelsWithItsKey(t *testing.T) {
	r := ringWith(t, names(t, "admin", "größe <&>\"\\\u2028"))
	again, err := keys.ParseRing(marshalled(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(marshalled(t, again), marshalled(t, r)) || again.Plan().Names.Len() != 2 {
		t.Error("another ring came out")
	}
	set, err := keys.ParseSet(r.SessionKeys(dawn).JWKS())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys() {
		if table(k) != "admin größe <&>\"\\\u2028" {
			t.Errorf("a verifier has the table %q", table(k))
		}
	}
	if bytes.Contains(r.PublicSet(dawn).JWKS(), []byte("admin")) || bytes.Contains(newRing(t).SessionKeys(dawn).JWKS(), []byte("names")) {
		t.Error("a table where none belongs")
	}
	jwks := string(r.SessionKeys(dawn).JWKS())
	for _, bad := range []string{`"names":7`, `"names":["a"]`, `"names":""`, `"names":"a\na"`, `"names":"a\n"`, `"names":"\u0001"`, `"names":"` + strings.Repeat("a", 9000) + `"`} {
		at := strings.Index(jwks, `"names":`)
		end := at + strings.Index(jwks[at:], `"}`) + 1
		if _, err := keys.ParseSet([]byte(jwks[:at] + bad + jwks[end:])); !errors.Is(err, keys.ErrMalformed) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
}

// A ring that could be written and not read would be the end of all sessions.
func TestARingFullOfTablesIsRead(t *testing.T) {
	var list []string
	for _, letter := range "abcdefghijklmnopqrstuvwxyz01234" { // with what follows, all that a table takes
		list = append(list, strings.Repeat(string(letter), 255))
	}
	n := names(t, append(list, strings.Repeat("5", 223))...)
	plan, now := planWith(n), dawn
	plan.Life[keys.SessionCookie] = 365 * 24 * time.Hour // so that none is pruned
	r, err := keys.NewRing(plan, keys.ES256, now)
	if err != nil {
		t.Fatal(err)
	}
	for len(r.Keys()) < keys.MaxKeys {
		now = now.Add(25 * time.Hour)
		r = rotate(t, r, keys.SessionCookie, now)
	}
	if _, err := keys.ParseRing(marshalled(t, r)); err != nil {
		t.Errorf("a ring of %d bytes: %v", len(marshalled(t, r)), err)
	}
	if n := len(marshalled(t, r)); n*4/3+1<<10 > ringfile.MaxBytes {
		t.Errorf("a ring of %d bytes is too long when it is sealed", n)
	}
	if _, err := keys.ParseSet(r.SessionKeys(now).JWKS()); err != nil {
		t.Errorf("session keys of %d bytes: %v", len(r.SessionKeys(now).JWKS()), err)
	}
}
