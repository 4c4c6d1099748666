package authsvc

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// plainData is the data of a session as a client sent it, in the one form that
// cookies have: without blanks, names in order, numbers as short as they can be
// written. So its size is that of what it says, and not of how it was spelled.
func plainData(raw []byte) ([]byte, error) {
	if !tokens.IsStrictObject(raw) { // first, since decoding takes the last of two names
		return nil, invalidField("data", "is not one plain JSON object, of 8 levels and 1024 values at most")
	}
	var data map[string]any
	if err := decodeData(raw, &data); err != nil {
		return nil, err
	}
	shortenNumbers(data)
	return encodeData(data)
}

// shortenNumbers writes the numbers in v as short as they can be.
func shortenNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return shortNumber(v)
	case map[string]any:
		for name, value := range v {
			v[name] = shortenNumbers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = shortenNumbers(value)
		}
	}
	return v
}

// shortNumber writes an integer in digits, and any other number as a float64 is
// written, where that is the same number.
func shortNumber(n json.Number) json.Number {
	text := n.String()
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return "0"
		}
		return n
	}
	if mantissa, _, _ := strings.Cut(strings.ToLower(text), "e"); strings.Trim(mantissa, "-.0") == "" {
		return "0"
	}
	f, err := strconv.ParseFloat(text, 64)
	if f = math.Abs(f); err != nil || f > 1e40 || f < 1e-40 { // whose digits have no end
		return n
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return n
	}
	if exact.IsInt() {
		return shorter(n, exact.Num().String())
	}
	f, _ = exact.Float64()
	short := strconv.FormatFloat(f, 'g', -1, 64)
	if same, ok := new(big.Rat).SetString(short); !ok || same.Cmp(exact) != 0 {
		return n
	}
	return shorter(n, short)
}

// shorter keeps a number's spelling where the other one is longer: 1e29.
func shorter(n json.Number, other string) json.Number {
	if len(other) > len(n) {
		return n
	}
	return json.Number(other)
}
