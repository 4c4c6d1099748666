package tokens

// header is the protected header. It has these four members and no other: in
// particular no crit, b64, zip, cty, jku, jwk, x5u, x5c, x5t, p2s, p2c, epk,
// apu or apv, each of which asks its reader to do more than check one known
// key (RFC 8725 §3.1, §3.10; RFC 7516 §4.1.3).
type header struct {
	alg, enc, kid, typ string
}

// parseHeader reads the JSON of a header strictly. The first member that is
// not allowed ends it, so a hostile header costs no more than its start.
func parseHeader(doc string) (header, error) {
	var h header
	r, err := newReader(doc)
	if err != nil {
		return header{}, err
	}
	o, err := r.object()
	if err != nil {
		return header{}, err
	}
	for {
		name, more, err := o.next()
		if err != nil {
			return header{}, err
		}
		if !more {
			break
		}
		field := h.field(name)
		if field == nil {
			return header{}, faultMember
		}
		if *field, err = r.text(maxKidLen); err != nil {
			return header{}, err
		}
		if *field == "" { // complete could not tell it from one that is not there
			return header{}, faultAbsent
		}
	}
	return h, r.end()
}

const (
	faultMember jsonFault = "member that is not allowed"
	faultAbsent jsonFault = "member missing"
	faultKid    jsonFault = "kid is not a key id"
	faultSealed jsonFault = "enc in a signed token"
)

func (h *header) field(name string) *string {
	switch name {
	case "alg":
		return &h.alg
	case "enc":
		return &h.enc
	case "kid":
		return &h.kid
	case "typ":
		return &h.typ
	}
	return nil
}

// complete checks that what a header of this form needs is there. A kid
// consists of the characters that a thumbprint has (RFC 7638), so that it can
// stand in a log line.
func (h *header) complete(f form) error {
	if h.alg == "" || h.kid == "" || h.typ == "" || f == jwe && h.enc == "" {
		return faultAbsent
	}
	if f == jws && h.enc != "" {
		return faultSealed
	}
	if !safeKid(h.kid) {
		return faultKid
	}
	return nil
}

func safeKid(kid string) bool {
	if kid == "" || len(kid) > maxKidLen {
		return false
	}
	for i := range len(kid) {
		if c := kid[i]; urlSafe[c>>6]>>(c&63)&1 == 0 {
			return false
		}
	}
	return true
}

// headerJSON writes the header that Sign and SignBytes issue: its members in
// the order of their names, none that needs an escape.
func headerJSON(alg, kid, typ string) string {
	return `{"alg":"` + alg + `","kid":"` + kid + `","typ":"` + typ + `"}`
}
