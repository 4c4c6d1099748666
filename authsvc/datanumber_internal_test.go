package authsvc

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbersAreWrittenAsShortAsTheyCanBe(t *testing.T) {
	for text, want := range map[string]string{
		"7": "7", "-7": "-7", "0": "0", "-0": "0", "0.000": "0", "-0e99": "0", "0.0E-5": "0",
		"7.0": "7", "7e0": "7", "1.20e2": "120", "100E-2": "1", "-1.50": "-1.5", "5e-1": "0.5", "0.10": "0.1",
		"9007199254740993":          "9007199254740993", // more digits than a float64 has
		"0.12345678901234567890":    "0.12345678901234567890",
		"1e29":                      "1e29",
		"1e-400":                    "1e-400",
		"1e400":                     "1e400",
		"1.0000000000000000000e-50": "1.0000000000000000000e-50",
	} {
		if got := shortNumber(json.Number(text)); string(got) != want {
			t.Errorf("%s is written %s, not %s", text, got, want)
		}
	}
}

func TestAShortNumberIsTheSameNumberAndNoLonger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,10})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
		short := shortNumber(json.Number(text)).String()
		is, _ := new(big.Rat).SetString(text)
		got, ok := new(big.Rat).SetString(short)
		if !ok || is.Cmp(got) != 0 || len(short) > len(text) {
			t.Fatalf("%s became %s", text, short)
		}
		if again := shortNumber(json.Number(short)); again.String() != short {
			t.Fatalf("%s became %s, and then %s", text, short, again)
		}
		if is.IsInt() && len(short) > len(is.Num().String()) {
			t.Fatalf("the integer %s became %s", text, short)
		}
	})
}

func TestTheDataOfALoginIsKeptInOneForm(t *testing.T) {
	got, err := plainData([]byte("{ \"b\" : [ 1.0, \"\\u0041\" ],\n\"a\":{\"d\":null,\"c\":true} }"))
	if want := `{"a":{"c":true,"d":null},"b":[1,"A"]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{`{"a":1,"a":2}`, `{"a":1}x`, strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9)} {
		if _, err := plainData([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
