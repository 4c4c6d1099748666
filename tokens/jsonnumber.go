package tokens

import "strconv"

// integer reads a number that is written in plain digits: no sign, fraction,
// exponent or leading zero, and between low and high, both ≥ 0.
func (r *reader) integer(low, high int64) (int64, error) {
	s, err := r.number()
	if err != nil {
		return 0, faultInteger
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, faultInteger
		}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		return 0, faultRange
	}
	return v, nil
}

// number consumes any number of RFC 8259 §6 that a float64 can hold.
func (r *reader) number() (string, error) {
	r.space()
	start, exponent := r.pos, false
	r.accept("-")
	if !r.accept("0") && r.digits() == 0 {
		return "", faultSyntax
	}
	if r.accept(".") && r.digits() == 0 {
		return "", faultSyntax
	}
	if r.accept("eE") {
		exponent = true
		r.accept("+-")
		if r.digits() == 0 {
			return "", faultSyntax
		}
	}
	s := r.in[start:r.pos]
	if len(s) > maxNumber {
		return "", faultRange
	}
	if exponent {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "", faultRange
		}
	}
	return s, nil
}

// accept consumes one byte of the set.
func (r *reader) accept(set string) bool {
	if r.pos == len(r.in) {
		return false
	}
	for i := range len(set) {
		if r.in[r.pos] == set[i] {
			r.pos++
			return true
		}
	}
	return false
}

func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.in) && r.in[r.pos] >= '0' && r.in[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}
