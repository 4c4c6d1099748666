package tokens

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readAll builds what encoding/json would, with our reader: the two must agree
// on everything that ours accepts.
func readAll(doc string) (any, error) {
	r, err := newReader(doc)
	if err != nil {
		return nil, err
	}
	if r.peek() != '{' {
		return nil, faultSyntax
	}
	v, err := readAny(&r)
	if err != nil {
		return nil, err
	}
	return v, r.end()
}

func readAny(r *reader) (any, error) {
	switch c := r.peek(); c {
	case '{':
		return readObject(r)
	case '[':
		return readArray(r)
	case '"':
		return r.text(len(r.in))
	case 't', 'f', 'n':
		return map[byte]any{'t': true, 'f': false, 'n': nil}[c], r.skip()
	}
	s, err := r.number()
	return json.Number(s), err
}

func readObject(r *reader) (any, error) {
	out := map[string]any{}
	o, err := r.object()
	for err == nil {
		name, more, e := o.next()
		if e != nil || !more {
			return out, e
		}
		out[name], err = readAny(r)
	}
	return nil, err
}

func readArray(r *reader) (any, error) {
	out := []any{}
	a, err := r.array()
	for err == nil {
		more, e := a.next()
		if e != nil || !more {
			return out, e
		}
		var v any
		v, err = readAny(r)
		out = append(out, v)
	}
	return nil, err
}

// standard reads a document with encoding/json, the whole of it.
func standard(doc string) (any, error) {
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing data")
	}
	return v, nil
}

func FuzzJSON(f *testing.F) {
	for _, doc := range []string{
		`{}`, ` { "a" : [ 1 , -2.5e-3 , "x\u00e9\ud83d\ude00\n" , null , true , false , {} , [ ] ] } `,
		`{"a":1,"a":2}`, `{"a":"\ud800"}`, `{"a":01}`, `{"a":1e999}`, `{"\u0061":1}`, "{\"a\":\"\xff\"}", `{"a":1}x`,
		`{"a":[[[[[[[[]]]]]]]]}`, `{"a":tru}`, `{"a":"\`, `{"a":-}`, `{"a":1.}`, "\ufeff{}", `{"a":-0}`, `{,}`, `{"a":[1,]}`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		got, err := readAll(doc)
		if checked := checkObject(doc); (checked == nil) != (err == nil) {
			t.Fatalf("skipping says %v, reading %v", checked, err)
		}
		if err != nil {
			return
		}
		want, err := standard(doc)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: ours %#v, encoding/json %#v, %v", doc, got, want, err)
		}
		if _, err := parseHeader(doc); err == nil {
			if fields := want.(map[string]any); len(fields) > 4 {
				t.Fatalf("a header of %d members", len(fields))
			}
		}
	})
}

// What encoding/json writes of any value without our limits' excesses, we read.
func TestTheReaderTakesWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{}
		for range rapid.IntRange(0, 8).Draw(t, "members") {
			name := rapid.StringMatching(`[a-zäß漢_ ]{0,9}`).Draw(t, "name")
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				v[name] = rapid.String().Draw(t, "string")
			case 1:
				v[name] = json.Number(itoa64(rapid.Int64().Draw(t, "int")))
			case 2:
				v[name] = []any{nil, true, rapid.String().Draw(t, "element")}
			case 3:
				v[name] = map[string]any{"x": false}
			default:
				v[name] = nil
			}
		}
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := standard(string(doc))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(string(doc))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %v, %v", doc, got, err)
		}
	})
}

func itoa64(v int64) string {
	out, _ := json.Marshal(v)
	return string(out)
}

// canonical says without decoding what decoding and encoding again would show.
func TestCanonicalIsDecodingAndEncodingAgain(t *testing.T) {
	again := func(s string) bool {
		v, err := strict64.DecodeString(s)
		return err == nil && compact(v) == s && !strings.ContainsAny(s, "\r\n")
	}
	for a := range 256 { // every pair of characters, at the end of each possible length
		for b := range 256 {
			tail := string([]byte{byte(a), byte(b)})
			for _, s := range []string{tail, "A" + tail, "AA" + tail, "AAA" + tail} {
				if canonical(s) != again(s) {
					t.Fatalf("%q: %v", s, canonical(s))
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9_-]{0,40}(=|\n|.)?`).Draw(t, "text")
		if canonical(s) != again(s) {
			t.Fatalf("%q: %v", s, canonical(s))
		}
	})
}

func TestTextsHaveTheirLimit(t *testing.T) {
	for doc, want := range map[string]error{
		`"` + strings.Repeat("a", 10) + `"`:      nil,
		`"` + strings.Repeat("a", 11) + `"`:      faultLong,
		`"` + strings.Repeat(`\u0061`, 10) + `"`: nil,
		`"` + strings.Repeat(`\u0061`, 11) + `"`: faultLong,
		`"` + strings.Repeat(`\u00e4`, 6) + `"`:  faultLong,
	} {
		r, err := newReader(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.text(10); err != want {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestIntegersArePlainDigits(t *testing.T) {
	for doc, want := range map[string]error{
		"0": nil, "9": nil, "10": faultRange, "-0": faultInteger, "-1": faultInteger, "1.0": faultInteger, "1e0": faultInteger,
		"+1": faultInteger, "": faultInteger, "99999999999999999999": faultRange,
	} {
		r, err := newReader(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.integer(0, 9); err != want {
			t.Errorf("%q: %v", doc, err)
		}
	}
}
