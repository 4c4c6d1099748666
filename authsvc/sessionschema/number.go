package sessionschema

import (
	"encoding/json"
	"math/big"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// integer is as long as its bounds let it be.
func integer(s *jsonschema.Schema) extent {
	from, to := bounds(s)
	longest := extent{size: maxNumber, value: json.Number("-1000000000000000000000000000000")}
	if from == nil || to == nil {
		return longest
	}
	first, last := new(big.Int).Neg(floor(new(big.Rat).Neg(from))), floor(to)
	e := extent{none: first.Cmp(last) > 0}
	for _, n := range []*big.Int{first, last} {
		if text := n.String(); len(text) > e.size {
			e.size, e.value = min(len(text), maxNumber), json.Number(text)
		}
	}
	return e
}

// bounds are the least and the largest number; nil: there is none. An exclusive
// one counts as one that is not.
func bounds(s *jsonschema.Schema) (from, to *big.Rat) {
	from, to = s.Minimum, s.Maximum
	if x := s.ExclusiveMinimum; x != nil && (from == nil || x.Cmp(from) > 0) {
		from = x
	}
	if x := s.ExclusiveMaximum; x != nil && (to == nil || x.Cmp(to) < 0) {
		to = x
	}
	return from, to
}

func floor(x *big.Rat) *big.Int {
	return new(big.Int).Div(x.Num(), x.Denom()) // towards minus infinity, since Denom is positive
}

// longNumber is a number between the bounds that takes maxNumber characters.
func longNumber(s *jsonschema.Schema) json.Number {
	from, to := bounds(s)
	if from == nil {
		from = big.NewRat(-1, 1)
		if to != nil && to.Cmp(from) <= 0 {
			from = new(big.Rat).Sub(to, big.NewRat(1, 1))
		}
	}
	if to == nil {
		to = new(big.Rat).Add(from, big.NewRat(1, 1))
	}
	part := new(big.Rat).Mul(new(big.Rat).Sub(to, from), big.NewRat(123_456_789, 1_000_000_007))
	text := new(big.Rat).Add(from, part).FloatString(2 * maxNumber)
	return json.Number(text[:maxNumber-1] + "7")
}
