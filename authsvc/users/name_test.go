package users

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestUsernamesAreLowerCasedAndOtherwiseKept(t *testing.T) {
	for in, want := range map[string]string{
		"ann":                    "ann",
		"Ann":                    "ann",
		"ANN@Example.COM":        "ann@example.com",
		" ann ":                  " ann ",
		"Ärmel Åse":              "ärmel åse",
		"Ω":                      "ω",
		"張三":                     "張三",
		strings.Repeat("X", 128): strings.Repeat("x", 128),
	} {
		got, err := CanonicalName(in)
		if err != nil || got != want {
			t.Errorf("CanonicalName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestUsernamesThatAreRefused(t *testing.T) {
	for name, in := range map[string]string{
		"empty":                          "",
		"129 bytes":                      strings.Repeat("x", 129),
		"128 bytes that grow":            strings.Repeat("x", 126) + "Ⱥ", // two bytes, three in lower case
		"129 bytes that shrink":          strings.Repeat("\u212a", 43),   // the Kelvin sign, three bytes, is a k
		"a zero byte":                    "ann\x00",
		"a line end":                     "ann\n",
		"a delete":                       "ann\x7f",
		"a C1 control":                   "ann\u0085",
		"a zero-width space":             "a\u200bnn",
		"a right-to-left override":       "a\u202enn",
		"a line separator":               "ann\u2028",
		"a surrogate half in raw bytes":  "ann\xed\xa0\x80",
		"a byte that is not UTF-8":       "ann\xff",
		"a private character nobody see": "ann\ue000",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := CanonicalName(in); !errors.Is(err, ErrName) {
				t.Errorf("CanonicalName(%q) = %q, %v; want ErrName", in, got, err)
			}
		})
	}
}

func TestACanonicalNameIsItsOwnCanonicalName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once, err := CanonicalName(rapid.String().Draw(t, "name"))
		if err != nil {
			return
		}
		if twice, err := CanonicalName(once); err != nil || twice != once {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
	})
	for r := rune(0); r <= utf8.MaxRune; r++ { // no letter of Unicode is an exception
		if once, err := CanonicalName(string(r)); err == nil {
			if twice, err := CanonicalName(once); err != nil || twice != once {
				t.Errorf("%U: %q became %q, %v", r, once, twice, err)
			}
		}
	}
}

func TestPasswordsAre8To1024Bytes(t *testing.T) {
	for n, want := range map[int]error{0: ErrPassword, 7: ErrPassword, 8: nil, 1024: nil, 1025: ErrPassword} {
		password := strings.Repeat("\xff", n) // any bytes
		err := CheckPassword(password)
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}
