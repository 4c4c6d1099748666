package tokens_test

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

var update = flag.Bool("update", false, "write the golden artefacts anew")

// The golden artefacts were made once. That today's code still takes them
// means that cookies and tokens survive an upgrade.
func TestGoldenArtefactsAreStillTaken(t *testing.T) {
	f := setup(t)
	path := func(kind string) string {
		return "testdata/golden/" + strings.ToLower(strings.ReplaceAll(kind, " ", "-")) + ".txt"
	}
	if *update {
		all := artefacts(t, f)
		all["exchanged"] = must[string](t)(tokens.Sign(exchanged(), f.ed))
		for kind, raw := range all {
			if err := os.WriteFile(path(kind), []byte(raw+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden := func(kind string) string {
		return strings.TrimSuffix(string(must[[]byte](t)(os.ReadFile(path(kind)))), "\n")
	}
	for _, kind := range []string{"access ES256", "access EdDSA", "access RS256"} {
		got := must[*tokens.Claims](t)(tokens.Verify(golden(kind), f.src, orders(), noon))
		want := annsClaims()
		want.KeyID = got.KeyID
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	acted := exchanged()
	acted.KeyID = f.ed.ID
	if got := must[*tokens.Claims](t)(tokens.Verify(golden("exchanged"), f.src, orders(), noon)); !reflect.DeepEqual(got, acted) {
		t.Errorf("exchanged: %+v", got)
	}
	session := must[*tokens.Session](t)(tokens.OpenSession(golden("session"), f.src, noon))
	if _, err := tokens.Verify(session.Token, f.src, orders(), noon); err != nil {
		t.Error(err)
	}
	kept := annsSession(session.Token)
	kept.KeyID = f.cookie.ID
	if !reflect.DeepEqual(session, kept) {
		t.Errorf("%+v", session)
	}
	before := annsRefresh()
	before.FirstAttempt, before.LastAttempt = 0, 0 // version 1 had none
	for kind, want := range map[string]*tokens.Refresh{"refresh": annsRefresh(), "refresh-2": annsRefresh(), "refresh-1": before} {
		if got := must[*tokens.Refresh](t)(tokens.OpenRefresh(golden(kind), f.src, noon)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	for kind, want := range map[string]string{"feed": "\x01frame\x00\xff", "keys": `{"generation":1}`} {
		typ := "sealring-" + kind + "+jws"
		if got := must[[]byte](t)(tokens.VerifyBytes(typ, golden(kind), f.src, noon)); string(got) != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

// EdDSA has one signature for one text, so what Sign issues is known to the
// byte: a change of the form would be seen here.
func TestWhatSignIssuesIsKnownToTheByte(t *testing.T) {
	f := setup(t)
	for file, c := range map[string]*tokens.Claims{"access-eddsa.txt": annsClaims(), "exchanged.txt": exchanged()} {
		want := string(must[[]byte](t)(os.ReadFile("testdata/golden/" + file)))
		if got := must[string](t)(tokens.Sign(c, f.ed)); got+"\n" != want {
			t.Errorf("%s: got %s, want %s", file, got, want)
		}
	}
}
