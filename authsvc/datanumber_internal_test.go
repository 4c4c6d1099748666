package authsvc

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbersAreWrittenInOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"7": "7", "-7": "-7", "0": "0", "-0": "0", "0.000": "0", "-0e99": "0", "0.0E-5": "0",
		"7.0": "7", "7e0": "7", "1.20e2": "120", "100E-2": "1", "-1.50": "-1.5", "5e-1": "0.5", "0.10": "0.1",
		"1e-3": "0.001", "1200": "1200", "1e+5": "100000",
		"9007199254740993":                 "9007199254740993", // more digits than a float64 has
		"0.12345678901234567890":           "0.1234567890123456789",
		"1e29":                             "100000000000000000000000000000",
		"1.50e-300":                        "15e-301",
		"1.50e-400":                        "0", // as a float64 is
		"-1e-99999999999999999999":         "0",
		"100e400":                          "1e402",
		"1e99999999999999999999":           "1e99999999999999999999",
		"1.0000000000000000000e-50":        "1e-50",
		"0.123456789012345678901234567891": "0.123456789012345678901234567891",
	} {
		if got := plainNumber(json.Number(text)); string(got) != want {
			t.Errorf("%s is written %s, not %s", text, got, want)
		}
	}
}

func TestANumberIsWrittenByItsValueAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,10})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
		plain := plainNumber(json.Number(text)).String()
		is, _ := new(big.Rat).SetString(text)
		got, ok := new(big.Rat).SetString(plain)
		if !ok || is.Cmp(got) != 0 || len(plain) > maxPlain {
			t.Fatalf("%s became %s", text, plain)
		}
		for _, other := range []string{plain, text + "e0", is.FloatString(120)} {
			if !strings.Contains(text, "e") && !strings.Contains(text, "E") || !strings.HasSuffix(other, "e0") {
				if again := plainNumber(json.Number(other)).String(); again != plain {
					t.Fatalf("%s became %s, and %s became %s", text, plain, other, again)
				}
			}
		}
		if digits := is.Num().String(); is.IsInt() && len(digits) <= maxPlain && plain != digits {
			t.Fatalf("the integer %s became %s", text, plain)
		}
	})
}

func TestTheDataOfALoginIsKeptInOneForm(t *testing.T) {
	got, err := PlainData([]byte("{ \"b\" : [ 1.0, \"\\u0041\" ],\n\"a\":{\"d\":null,\"c\":true} }"))
	if want := `{"a":{"c":true,"d":null},"b":[1,"A"]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{`{"a":1,"a":2}`, `{"a":1}x`, strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9)} {
		if _, err := PlainData([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
