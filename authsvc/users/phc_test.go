package users

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const goodPHC = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$pwTATtNmR9ODLv9vGMa57Fbxy3MxBUx0MI0Le8LkEgg"

func TestPHCStringsInAnyOtherSpellingAreRefused(t *testing.T) {
	if _, err := parsePHC(goodPHC); err != nil {
		t.Fatalf("the good one is refused: %v", err)
	}
	change := func(old, new string) string {
		if !strings.Contains(goodPHC, old) {
			t.Fatalf("%q is not in the good string", old)
		}
		return strings.Replace(goodPHC, old, new, 1)
	}
	for name, s := range map[string]string{
		"empty":                           "",
		"another function":                change("argon2id", "argon2i"),
		"another version":                 change("v=19", "v=16"),
		"no version":                      change("$v=19", ""),
		"no dollar in front":              goodPHC[1:],
		"something after it":              goodPHC + "$",
		"a line end after it":             goodPHC + "\n",
		"a line end inside the salt":      change("MDEy", "MD\nEy"),
		"padding":                         goodPHC + "=",
		"URL-safe base64":                 change("pwTATt", "pw-_Tt"),
		"spare bits set in the salt":      change("Y2RlZg", "Y2RlZh"),
		"parameters in another order":     change("m=64,t=1", "t=1,m=64"),
		"a parameter missing":             change(",p=1", ""),
		"a parameter too many":            change("p=1", "p=1,keyid=AA"),
		"a leading zero":                  change("m=64", "m=064"),
		"a plus sign":                     change("t=1", "t=+1"),
		"a negative number":               change("t=1", "t=-1"),
		"zero passes":                     change("t=1", "t=0"),
		"zero lanes":                      change("p=1", "p=0"),
		"a lane count beyond a byte":      change("p=1", "p=257"),
		"too little memory for its lanes": change("p=1", "p=9"),
		"a gigabyte of memory":            change("m=64", "m=1048576"),
		"passes without end":              change("t=1", "t=17"),
		"memory beyond 32 bits":           change("m=64", "m=4294967360"),
		"too short a salt":                change("MDEyMzQ1Njc4OWFiY2RlZg", "MDEy"),
		"too short a sum":                 change("pwTATtNmR9ODLv9vGMa57Fbxy3MxBUx0MI0Le8LkEgg", "pwTATg"),
		"too long a salt":                 change("MDEyMzQ1Njc4OWFiY2RlZg", strings.Repeat("MDEy", 22)),
		"too long a sum":                  change("$pwTATtNmR9ODLv9vGMa57Fbxy3MxBUx0MI0Le8LkEgg", "$"+strings.Repeat("MDEy", 22)),
		"longer than any hash":            goodPHC + strings.Repeat("A", 300),
	} {
		t.Run(name, func(t *testing.T) {
			h, err := parsePHC(s)
			if !errors.Is(err, ErrHash) {
				t.Fatalf("parsed as %v, %v; want ErrHash", h, err)
			}
			if salt := "MDEyMzQ1"; strings.Contains(err.Error(), salt) {
				t.Errorf("the error quotes the hash: %v", err)
			}
		})
	}
}

func TestEveryHashComesBackFromItsString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.Uint8Range(1, maxLanes).Draw(t, "lanes")
		h := hash{
			Params: Params{
				Memory: rapid.Uint32Range(8*uint32(lanes), maxMemory).Draw(t, "memory"),
				Time:   rapid.Uint32Range(1, maxTime).Draw(t, "time"),
				Lanes:  lanes,
			},
			salt: rapid.SliceOfN(rapid.Byte(), minSalt, maxSalt).Draw(t, "salt"),
			sum:  rapid.SliceOfN(rapid.Byte(), minSum, maxSum).Draw(t, "sum"),
		}
		back, err := parsePHC(h.String())
		if err != nil {
			t.Fatal(err)
		}
		if back.Params != h.Params || !bytes.Equal(back.salt, h.salt) || !bytes.Equal(back.sum, h.sum) {
			t.Fatalf("%v came back as %v", h, back)
		}
	})
}

func FuzzParsePHC(f *testing.F) {
	f.Add(goodPHC)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			if !errors.Is(err, ErrHash) {
				t.Fatalf("another error than ErrHash: %v", err)
			}
			return
		}
		if h.String() != s {
			t.Fatalf("%q has a second spelling %q", s, h.String())
		}
		if !h.usable() {
			t.Fatalf("%q goes beyond the limits", s)
		}
	})
}
