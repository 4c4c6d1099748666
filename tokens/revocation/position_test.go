package revocation

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestPositionText(t *testing.T) {
	for text, p := range map[string]Position{
		"00000000000000ff.1700000000000-7":                 {255, Cursor{1700000000000, 7}},
		"ffffffffffffffff.18446744073709551615-4294967295": {math.MaxUint64, Cursor{math.MaxUint64, math.MaxUint32}},
		"0000000000000001.0-0":                             {1, Cursor{}},
	} {
		if p.String() != text {
			t.Errorf("%v, want %s", p, text)
		}
		if got, err := ParsePosition(text); err != nil || got != p {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestPositionRefusesEveryOtherSpelling(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                "",
		"an asterisk":            "*",
		"an epoch alone":         "00000000000000ff",
		"no count":               "00000000000000ff.1700000000000",
		"an empty count":         "00000000000000ff.1700000000000-",
		"a short epoch":          "ff.1-1",
		"capitals":               "00000000000000FF.1-1",
		"a prefix":               "0x000000000000ff.1-1",
		"a leading zero":         "00000000000000ff.01-1",
		"a leading zero at last": "00000000000000ff.1-01",
		"a plus":                 "00000000000000ff.+1-1",
		"a minus":                "00000000000000ff.1--1",
		"a blank":                "00000000000000ff.1-1 ",
		"a line feed":            "00000000000000ff.1-1\n",
		"an underscore":          "00000000000000ff.1_0-1",
		"a cursor too large":     "00000000000000ff.18446744073709551616-1",
		"a count too large":      "00000000000000ff.1-4294967296",
		"another part":           "00000000000000ff.1-1.2",
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := ParsePosition(text); !errors.Is(err, ErrInvalid) {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("00000000000000ff.1700000000000-7")
	f.Add("0000000000000001.0-0")
	f.Add("00000000000000FF.+1-01\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePosition(text); err == nil && p.String() != text {
			t.Errorf("%q is a second spelling of %v", text, p)
		}
	})
}

func TestCursorsAreOrderedAndOnlyGrow(t *testing.T) {
	cursor := rapid.Custom(func(t *rapid.T) Cursor {
		return Cursor{rapid.Uint64Range(0, 5).Draw(t, "ms"), rapid.SampledFrom([]uint32{0, 1, math.MaxUint32}).Draw(t, "seq")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := cursor.Draw(t, "a"), cursor.Draw(t, "b")
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatal("no order")
		}
		if a.Ms < b.Ms && a.Compare(b) != -1 {
			t.Fatal("the time does not come first")
		}
		now := rapid.Uint64Range(0, 5).Draw(t, "now")
		next := a.Next(now)
		if next.Compare(a) != 1 {
			t.Fatalf("%v does not follow %v", next, a)
		}
		if now > a.Ms && next != (Cursor{Ms: now}) {
			t.Fatalf("%v is not the time %d", next, now)
		}
	})
}
