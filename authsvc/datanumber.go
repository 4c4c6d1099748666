package authsvc

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// PlainData is the data of a session, a JSON object as a client sent it, in the
// one form that cookies have: without blanks, names in order, numbers in full.
// So its size is that of what it says, and not of how it was spelled. The error
// is the client's.
func PlainData(raw []byte) ([]byte, error) {
	fault := invalidField("data", "is not "+strictData)
	if !tokens.IsStrictObject(raw) { // first, since decoding takes the last of two names
		return nil, fault
	}
	var data map[string]any
	if err := decodeData(raw, &data); err != nil {
		return nil, err
	}
	plainNumbers(data)
	plain, err := encodeData(data)
	if err == nil && !tokens.IsStrictObject(plain) { // a name with U+2028 has got an escape
		return nil, fault
	}
	return plain, err
}

// strictData is what tokens.IsStrictObject wants, for its author.
const strictData = "one plain JSON object, of 8 levels and 1024 values at most, its names without line ends"

// plainNumbers writes the numbers in v in the one form.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(v)
	case map[string]any:
		for name, value := range v {
			v[name] = plainNumbers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = plainNumbers(value)
		}
	}
	return v
}

// maxPlain is the most characters that a number is written with in full, which
// is also the most that any may be sent with.
const maxPlain = 32

// plainNumber writes a number in full, where that takes at most maxPlain
// characters, and else as its digits and an exponent: by its value alone. What is
// nearer to 0 than a float64 can be is 0, as who reads it will see it: to know
// 1e-999999999 exactly takes more memory than there is.
func plainNumber(n json.Number) json.Number {
	if f, err := n.Float64(); err == nil && f == 0 {
		return "0"
	}
	text, negative := strings.CutPrefix(n.String(), "-")
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent := 0
	if power != "" {
		var err error
		if exponent, err = strconv.Atoi(power); err != nil {
			return n // beyond all others
		}
	}
	exponent -= len(fraction)
	short := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(short)
	sign := ""
	if negative {
		sign = "-"
	}
	if full, ok := inFull(short, exponent); ok && len(sign)+len(full) <= maxPlain {
		return json.Number(sign + full)
	}
	if other := sign + short + "e" + strconv.Itoa(exponent); len(other) <= maxPlain {
		return json.Number(other)
	}
	return n
}

// inFull writes digits times a power of ten, if that is not far too long.
func inFull(digits string, exponent int) (string, bool) {
	switch point := len(digits) + exponent; {
	case exponent > maxPlain || point < -maxPlain:
		return "", false
	case exponent >= 0:
		return digits + strings.Repeat("0", exponent), true
	case point > 0:
		return digits[:point] + "." + digits[point:], true
	default:
		return "0." + strings.Repeat("0", -point) + digits, true
	}
}
