package tokens_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// verdicts writes checks as one line: + passed, - failed, . not reached.
func verdicts(checks []tokens.Check) string {
	var b strings.Builder
	for _, c := range checks {
		switch {
		case c.OK:
			b.WriteString(" +")
		case c.Skipped:
			b.WriteString(" .")
		default:
			b.WriteString(" -")
		}
		b.WriteString(strings.ReplaceAll(c.Name, " ", "/"))
	}
	return b.String()[1:]
}

func TestExplainSaysCheckByCheck(t *testing.T) {
	f := setup(t)
	a := artefacts(t, f)
	for name, c := range map[string]struct {
		raw    string
		now    time.Time
		change func(*tokens.Expect)
		want   string
	}{
		"a good token": {raw: a["access ES256"],
			want: "+length +form +header +type +algorithm +key +signature +claims +issuer +audience +not-before +login +expiry"},
		"garbage": {raw: "garbage",
			want: "+length -form .header .type .algorithm .key .signature .claims .issuer .audience .not-before .login .expiry"},
		"two faults in the claims, each shown": {raw: a["access EdDSA"], now: noon.Add(time.Hour),
			change: func(e *tokens.Expect) { e.Audiences = []string{"billing"} },
			want:   "+length +form +header +type +algorithm +key +signature +claims +issuer -audience +not-before +login -expiry"},
		"an edited signature": {raw: a["access ES256"][:len(a["access ES256"])-4] + "AAAA",
			want: "+length +form +header +type +algorithm +key -signature .claims .issuer .audience .not-before .login .expiry"},
		"a good cookie": {raw: a["session"],
			want: "+length +form +header +type +algorithm +key +seal +session +token/length +token/form +token/header +token/type " +
				"+token/algorithm +token/key +token/signature +token/claims +token/issuer +token/audience +token/not-before +token/login +token/expiry"},
		"a cookie with another audience": {raw: a["session"], change: func(e *tokens.Expect) { e.Audiences = []string{"x"} },
			want: "+length +form +header +type +algorithm +key +seal +session +token/length +token/form +token/header +token/type " +
				"+token/algorithm +token/key +token/signature +token/claims +token/issuer -token/audience +token/not-before +token/login +token/expiry"},
		"a refresh token": {raw: a["refresh"], want: "+length +form +header +type +algorithm +key +seal +refresh +idle-end +session-end"},
		"a refresh token in its last second": {raw: a["refresh"], now: noon.Add(30*time.Minute - time.Second),
			want: "+length +form +header +type +algorithm +key +seal +refresh +idle-end +session-end"},
		"a refresh token that was not used in time": {raw: a["refresh"], now: noon.Add(30 * time.Minute),
			want: "+length +form +header +type +algorithm +key +seal +refresh -idle-end +session-end"},
		"a refresh token after its session": {raw: a["refresh"], now: noon.Add(11 * time.Hour),
			want: "+length +form +header +type +algorithm +key +seal +refresh -idle-end -session-end"},
		"an edited refresh token": {raw: a["refresh"][:len(a["refresh"])-4] + "AAAA",
			want: "+length +form +header +type +algorithm +key -seal .refresh .idle-end .session-end"},
		"a frame": {raw: a["feed"], want: "+length +form +header +type +algorithm +key +signature"},
		"an Expect without an issuer": {raw: a["access ES256"], change: func(e *tokens.Expect) { e.Issuer = "" },
			want: "-expectation"},
	} {
		t.Run(name, func(t *testing.T) {
			e := orders()
			if c.change != nil {
				c.change(&e)
			}
			if c.now.IsZero() {
				c.now = noon
			}
			checks := tokens.Explain(c.raw, f.src, e, c.now)
			if got := verdicts(checks); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			for _, v := range checks {
				if !v.OK && v.Detail == "" {
					t.Errorf("%s failed without a word", v.Name)
				}
			}
		})
	}
}

// The first check that fails is the one that Verify names.
func TestExplainAgreesWithVerify(t *testing.T) {
	f := setup(t)
	good := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for i := range len(good) {
		for _, raw := range []string{good[:i], good[:i] + "A" + good[i+1:], good[:i] + "." + good[i:]} {
			_, err := tokens.Verify(raw, f.src, orders(), noon)
			all := true
			for _, c := range tokens.Explain(raw, f.src, orders(), noon) {
				if all && !c.OK && err != nil && !strings.HasPrefix(c.Detail, err.Error()) {
					t.Errorf("Verify says %v, Explain %s: %s", err, c.Name, c.Detail)
				}
				all = all && c.OK
			}
			if all != (err == nil) {
				t.Fatalf("Verify says %v, Explain %v", err, all)
			}
		}
	}
}

func TestExplainShowsNothingOfTheArtefactOrItsKeys(t *testing.T) {
	f := setup(t)
	for kind, raw := range artefacts(t, f) {
		all := fmt.Sprint(tokens.Explain(raw, f.src, orders(), noon))
		for _, part := range strings.Split(raw, ".")[1:] {
			if part != "" && strings.Contains(all, part) {
				t.Errorf("%s: a part of it stands in the explanation", kind)
			}
		}
	}
}

func TestExplainTellsAnUnavailableKeySet(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	src := bundle{faults: map[string]error{f.es.ID: keys.ErrUnavailable}}
	for _, c := range tokens.Explain(raw, src, orders(), noon) {
		if c.Name == "key" && (c.OK || !strings.Contains(c.Detail, "no key set yet")) {
			t.Errorf("%+v", c)
		}
	}
}

func TestInspectUnverifiedDecodesWithoutTrust(t *testing.T) {
	f := setup(t)
	a := artefacts(t, f)
	in := must[*tokens.Inspection](t)(tokens.InspectUnverified(a["access ES256"]))
	if in.Typ != tokens.TypAccess || in.Alg != "ES256" || in.KeyID != f.es.ID || in.Sealed ||
		!strings.Contains(string(in.Payload), `"sub":"ann"`) {
		t.Errorf("%+v", in)
	}
	in = must[*tokens.Inspection](t)(tokens.InspectUnverified(a["session"]))
	if in.Typ != tokens.TypSession || in.Alg != "dir" || !in.Sealed || in.Payload != nil {
		t.Errorf("%+v", in)
	}
	foreign := b64(`{"alg":"HS256","crit":["x"],"typ":7}`) + "." + b64(`{"a":1}`) + "."
	in = must[*tokens.Inspection](t)(tokens.InspectUnverified(foreign))
	if in.Alg != "HS256" || in.Typ != "" || string(in.Payload) != `{"a":1}` {
		t.Errorf("%+v", in)
	}
	for _, raw := range []string{"", ".", "a.b.c", "e30", "e30.e30", "e30..\n"} {
		if _, err := tokens.InspectUnverified(raw); err != tokens.ErrUnreadable {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// Whoever looks for a fault must see what is there, and be told of it.
func TestInspectUnverifiedSaysWhatIsNotStrictJSON(t *testing.T) {
	for _, c := range []struct{ header, payload, headerFault, payloadFault string }{
		{`{"alg":"none"}`, `{"a":1}`, "", ""},
		{`{"alg":"none"}`, `[1]`, "", ""},
		{`{"alg":"none","alg":"ES256"}`, `{"a":1,"a":2}`, "duplicate name", "duplicate name"},
		{"{\"alg\":\"\xff\"}", "{\"a\":\"\xff\"}", "not UTF-8", "not UTF-8"},
		{`[]`, "\x01\x02", "not JSON", "not JSON"},
		{`{"\u0061lg":"none"}`, `{"a":"\ud800"}`, "escape in a name", "half a surrogate pair"},
		{`{"alg":"none"}x`, `{} {}`, "data after the document", "data after the document"},
	} {
		in, err := tokens.InspectUnverified(b64(c.header) + "." + b64(c.payload) + ".")
		if err != nil || in.HeaderFault != c.headerFault || in.PayloadFault != c.payloadFault ||
			string(in.Header) != c.header || string(in.Payload) != c.payload {
			t.Errorf("%s %s: %+v, %v", c.header, c.payload, in, err)
		}
		if c.headerFault != "" && err == nil && in.Alg+in.Typ+in.KeyID != "" {
			t.Errorf("%s: it names %q %q %q", c.header, in.Alg, in.Typ, in.KeyID)
		}
	}
}
