package tokens_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/tokens"
)

const hunter2 = "hunter2"

// leaks reports whether the secret, plain or in hex, stands in s.
func leaks(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, hunter2) || strings.Contains(s, fmt.Sprintf("%x", hunter2)) ||
		strings.Contains(s, "104 117 110") // bytes
}

func TestASecretIsNeverPrinted(t *testing.T) {
	s := tokens.Secret(hunter2)
	values := map[string]any{
		"itself": s, "a pointer": &s, "a field": struct{ S tokens.Secret }{s}, "a pointer to a struct": &struct{ S tokens.Secret }{s},
		"a slice": []tokens.Secret{s}, "a map": map[string]tokens.Secret{"k": s}, "an any": []any{s},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T %[1]v", "%20s", "%-5.2q", "%U", "%c", "%!"} {
			if got := fmt.Sprintf(verb, v); leaks(got) {
				t.Errorf("%s under %s: %s", name, verb, got)
			}
		}
		if got := fmt.Sprint(v) + fmt.Sprintln(v) + fmt.Errorf("x: %v", v).Error(); leaks(got) {
			t.Errorf("%s: %s", name, got)
		}
		if got, _ := json.Marshal(v); leaks(string(got)) {
			t.Errorf("%s in JSON: %s", name, got)
		}
		var text, asJSON bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "s", v)
		slog.New(slog.NewJSONHandler(&asJSON, nil)).Info("x", "s", v)
		if leaks(text.String()) || leaks(asJSON.String()) {
			t.Errorf("%s in slog: %s %s", name, text.String(), asJSON.String())
		}
	}
	if v := slog.AnyValue(s).Resolve(); v.Kind() != slog.KindString { // a handler of somebody's may look at what it is
		t.Errorf("a handler of slog is given a %v", v.Kind())
	}
	out, _ := xml.Marshal(struct{ S tokens.Secret }{s})
	var page bytes.Buffer
	_ = template.Must(template.New("").Parse("{{.}}")).Execute(&page, s)
	if leaks(string(out)) || leaks(page.String()) {
		t.Errorf("%s %s", out, page.String())
	}
	if fmt.Sprint(s) != "[redacted]" || s.Reveal() != hunter2 {
		t.Errorf("%v", s)
	}
}

func TestASecretIsReadLikeAnyString(t *testing.T) {
	var v struct{ S tokens.Secret }
	if err := json.Unmarshal([]byte(`{"S":"hunter2"}`), &v); err != nil || v.S.Reveal() != hunter2 {
		t.Errorf("%v, %q", err, v.S.Reveal())
	}
}

func TestAnIDHasOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v tokens.ID
		copy(v[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		got, err := tokens.ParseID(v.String())
		if v.IsZero() {
			if err != tokens.ErrID {
				t.Fatal("the zero id was read")
			}
			return
		}
		if err != nil || got != v || len(v.String()) != 22 {
			t.Fatalf("%v: %v, %v", v, got, err)
		}
		s := rapid.StringMatching(`[A-Za-z0-9_-]{22}`).Draw(t, "text")
		if got, err := tokens.ParseID(s); err == nil && got.String() != s {
			t.Fatalf("%s and %s are one id", s, got)
		}
	})
	good := tokens.NewID().String()
	for _, s := range []string{"", good[:21], good + "A", good + "==", good[:21] + "\n", good[:10] + "\n" + good[11:], "+" + good[1:], strings.Repeat("A", 22)} {
		if _, err := tokens.ParseID(s); err != tokens.ErrID {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestAnIDIsTextInJSON(t *testing.T) {
	type doc struct{ ID tokens.ID }
	want := doc{tokens.NewID()}
	out := must[[]byte](t)(json.Marshal(want))
	var got doc
	if err := json.Unmarshal(out, &got); err != nil || got != want {
		t.Errorf("%s: %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"ID":"x"}`), &got); !errors.Is(err, tokens.ErrID) {
		t.Errorf("got %v", err)
	}
}

func TestNewIDsDiffer(t *testing.T) {
	seen := map[tokens.ID]bool{}
	for range 1000 {
		v := tokens.NewID()
		if v.IsZero() || seen[v] {
			t.Fatal("not random")
		}
		seen[v] = true
	}
}
