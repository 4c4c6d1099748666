package authsvc

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// longestBody has as many digits as the length of the longest answer: a session
// and its data are a few tokens of tokens.MaxTokenLen, with escapes.
const longestBody = "99999"

// Longest is the answer to Login that no session exceeds whose texts and whose
// data are as long as those of x, whatever they say: without what squeezing
// saves, and with the longest numbers that its lines can have. Of the fields that
// are stored outside each counts as the longest pointer, whether x has it or
// not. Errors are those of Login.
func (f *Forecaster) Longest(x Example) (budget.Reply, error) {
	data, err := f.inCookie(x.Data)
	if err != nil {
		return budget.Reply{}, err
	}
	x.Data = nil // what it is does not matter, and its stored fields would be put away
	p, err := f.begin(x)
	if err != nil {
		return budget.Reply{Parts: p.parts}, err
	}
	if err := f.lengthen(p, data); err != nil {
		return budget.Reply{Parts: p.parts}, err
	}
	r := p.counted(f.base())
	for i := range r.Fields {
		if r.Fields[i].Name == "Content-Length" {
			r.Fields[i].Value = longestBody
		}
	}
	return r, nil
}

// Names is the table that the cookies of the forecast have codes of.
func (f *Forecaster) Names() *keys.Names {
	key, err := f.s.hub.ring.Load().Current(keys.SessionCookie, f.s.now())
	if err != nil {
		return nil
	}
	return key.Names()
}

// inCookie is the data as the cookie has it at its longest; nil if there is none.
func (f *Forecaster) inCookie(raw []byte) ([]byte, error) {
	stored := f.s.cfg.StoredFields
	if raw == nil && len(stored) == 0 {
		return nil, nil
	}
	data := map[string]any{}
	if raw != nil {
		plain, err := PlainData(raw)
		if err != nil {
			return nil, err
		}
		if err := decodeData(plain, &data); err != nil {
			return nil, err
		}
	}
	for _, name := range stored {
		data[name] = fieldPointer(maxField, math.MaxUint32)
	}
	return encodeData(data)
}

// lengthen puts the longest cookie with such data into the answer, and the
// longest lives.
func (f *Forecaster) lengthen(p *reply, data []byte) error {
	now, cookie := f.s.now(), p.cookies[0]
	held, err := tokens.OpenSession(cookie.Value, f.s.hub, now)
	if err != nil {
		return fmt.Errorf("opening the session: %w", err)
	}
	held.Data = data
	p.parts = append(slices.Clone(p.parts[:len(p.parts)-1]), budget.Part{Name: "data", Bytes: len(data)})
	key, err := f.s.hub.Key(held.KeyID, keys.SessionCookie, now)
	if err != nil {
		return fmt.Errorf("sealing the session: %w", err)
	}
	cookie.Value, err = tokens.SealLongest(held, key)
	if errors.Is(err, tokens.ErrTooLong) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return fmt.Errorf("sealing the session: %w", err)
	}
	c := &f.s.cfg
	p.header.Set(expiresHeader, expires(seconds(c.AccessTTL), seconds(c.IdleTTL), seconds(c.SessionTTL)))
	return nil
}
