package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MaxRingBytes is how large the JSON of a ring may be: sealed it is a third larger.
const MaxRingBytes = 704 << 10

// ringFormat is the version of the JSON form. Another one is refused.
const ringFormat = 1

type ringJSON struct {
	Format     int       `json:"v"`
	Generation uint64    `json:"generation"`
	Written    string    `json:"written"`
	Plan       planJSON  `json:"plan"`
	Keys       []keyJSON `json:"keys"`
}

type planJSON struct {
	Lease      string             `json:"lease"`
	JWKSMaxAge string             `json:"jwks_max_age"`
	Skew       string             `json:"skew"`
	Leeway     string             `json:"leeway"`
	Period     string             `json:"period"`
	Life       map[Purpose]string `json:"life"`
	Names      string             `json:"names,omitempty"`
}

type keyJSON struct {
	ID          string  `json:"kid"`
	Purpose     Purpose `json:"purpose"`
	Alg         Alg     `json:"alg"`
	PublishAt   string  `json:"publish_at,omitempty"`
	ReadyAt     string  `json:"ready_at,omitempty"`
	ScheduledAt string  `json:"scheduled_at,omitempty"`
	SignFrom    string  `json:"sign_from,omitempty"`
	SignUntil   string  `json:"sign_until,omitempty"`
	VerifyUntil string  `json:"verify_until,omitempty"`
	RevokedAt   string  `json:"revoked_at,omitempty"`
	Reason      string  `json:"reason,omitempty"`
	Seals       uint64  `json:"seals,omitempty"`   // sealing keys
	Public      *jwk    `json:"public,omitempty"`  // signing keys
	Private     string  `json:"private,omitempty"` // PKCS #8, base64url; "external" for a key in a KMS or HSM
	Secret      string  `json:"secret,omitempty"`  // sealing keys, base64url
	Names       string  `json:"names,omitempty"`   // sealing keys
}

// external stands in the place of a private half that is kept elsewhere.
const external = "external"

// MarshalJSON writes the ring with its private halves: the plaintext that
// ringfile seals. Never write it anywhere else.
func (r *Ring) MarshalJSON() ([]byte, error) {
	out := ringJSON{Format: ringFormat, Generation: r.generation, Written: stamp(r.written), Plan: planJSON{
		Lease:      r.plan.Lease.String(),
		JWKSMaxAge: r.plan.JWKSMaxAge.String(),
		Skew:       r.plan.Skew.String(),
		Leeway:     r.plan.Leeway.String(),
		Period:     r.plan.Period.String(),
		Life:       map[Purpose]string{},
		Names:      r.plan.Names.joined(),
	}}
	for p, life := range r.plan.Life {
		out.Plan.Life[p] = life.String()
	}
	for _, k := range r.keys {
		j, err := encodeKey(k)
		if err != nil {
			return nil, fmt.Errorf("encoding key %s: %w", k.ID, err)
		}
		out.Keys = append(out.Keys, j)
	}
	return json.Marshal(out)
}

func encodeKey(k Key) (keyJSON, error) {
	j := keyJSON{
		ID: k.ID, Purpose: k.Purpose, Alg: k.Alg, Reason: k.Reason,
		PublishAt: stamp(k.PublishAt), ReadyAt: stamp(k.ReadyAt), ScheduledAt: stamp(k.ScheduledAt),
		SignFrom: stamp(k.SignFrom), SignUntil: stamp(k.SignUntil), VerifyUntil: stamp(k.VerifyUntil),
		RevokedAt: stamp(k.RevokedAt), Seals: k.Seals, Secret: encode64(k.Secret()), Names: k.Names().joined(),
	}
	if k.Public() != nil {
		public := describe(k.material())
		j.Public = &public
	}
	switch {
	case k.External():
		j.Private = external
	case k.Signer() != nil:
		der, err := x509.MarshalPKCS8PrivateKey(k.Signer())
		if err != nil {
			return keyJSON{}, err
		}
		j.Private = encode64(der)
	}
	return j, nil
}

// stamp writes a time so that moment reads the same one; a zero one is left
// out.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// ParseRing reads what MarshalJSON wrote and nothing else: no unknown name,
// no name twice, every type and every time exact, every key on its curve and
// named by its thumbprint, each private half the one of its public half, and
// the whole accepted by Validate. Its errors (ErrMalformed, ErrKeyMaterial,
// ErrInvalidRing) never hold key bytes. It needs memory for four times the
// input and 64 KiB more, and for each private half, which Go checks and makes
// ready, 32 times that.
func ParseRing(data []byte) (*Ring, error) {
	doc, err := checkJSON(data, MaxRingBytes)
	if err != nil {
		return nil, fmt.Errorf("parsing a ring: %w", err)
	}
	o := newObject(doc)
	if v := o.number("v"); o.err == nil && v != ringFormat {
		return nil, fmt.Errorf("parsing a ring: %w: format %d, this program reads %d", ErrMalformed, v, ringFormat)
	}
	r := &Ring{generation: o.number("generation"), written: o.moment("written")}
	plan, list := newObject(o.take("plan")), o.list("keys", MaxKeys)
	if err := o.rest(); err != nil {
		return nil, fmt.Errorf("parsing a ring: %w", err)
	}
	if r.plan, err = parsePlan(plan); err != nil {
		return nil, fmt.Errorf("parsing a ring's plan: %w", err)
	}
	r.keys = make([]Key, 0, len(list))
	for i, raw := range list { // Validate refuses one too many
		k, err := parseKey(newObject(raw))
		if err != nil {
			return nil, fmt.Errorf("parsing a ring: key %d: %w", i, err)
		}
		r.keys = append(r.keys, k)
	}
	return r.finished()
}

func parsePlan(o *object) (Plan, error) {
	p := Plan{
		Lease:      o.duration("lease"),
		JWKSMaxAge: o.duration("jwks_max_age"),
		Skew:       o.duration("skew"),
		Leeway:     o.duration("leeway"),
		Period:     o.duration("period"),
		Life:       map[Purpose]time.Duration{},
		Names:      o.names("names"),
	}
	life := newObject(o.take("life"))
	if err := o.rest(); err != nil {
		return Plan{}, err
	}
	for _, use := range Purposes() {
		p.Life[use] = life.duration(string(use))
	}
	return p, life.rest()
}

func parseKey(o *object) (Key, error) {
	k := Key{
		ID: o.kept("kid"), Purpose: Purpose(o.kept("purpose")), Alg: Alg(o.kept("alg")), Reason: strings.Clone(o.optional("reason")),
		PublishAt: o.moment("publish_at"), ReadyAt: o.moment("ready_at"), ScheduledAt: o.moment("scheduled_at"),
		SignFrom: o.moment("sign_from"), SignUntil: o.moment("sign_until"), VerifyUntil: o.moment("verify_until"),
		RevokedAt: o.moment("revoked_at"),
	}
	if o.has("seals") {
		if k.Seals = o.number("seals"); k.Seals == 0 {
			o.fail("seals", "a whole number above zero")
		}
	}
	if o.err != nil {
		return Key{}, o.err
	}
	if !k.Purpose.allows(k.Alg) {
		return Key{}, fmt.Errorf("%w: a %q key can not use %q", ErrKeyMaterial, clip(string(k.Purpose)), clip(string(k.Alg)))
	}
	parse := parsePair
	if k.Purpose.seals() {
		parse = parseSecret
	}
	m, err := parse(k.Alg, o)
	if err != nil {
		return Key{}, err
	}
	k.hidden = hide(m)
	return k, o.rest()
}

// parseSecret reads a sealing key's bytes and names; a revoked key has none.
func parseSecret(_ Alg, o *object) (material, error) {
	if !o.has("secret") {
		return material{}, nil
	}
	return parseOct(o, "secret")
}

func parsePair(alg Alg, o *object) (material, error) {
	half := newObject(o.take("public"))
	if half.err != nil {
		return material{}, half.err
	}
	m, err := parsePublic(alg, half)
	if err != nil {
		return material{}, err
	}
	if err := half.rest(); err != nil {
		return material{}, err
	}
	switch text := o.optional("private"); text {
	case "":
	case external:
		m.external = true
	default:
		m.signer, err = parsePrivate(text, m.public)
	}
	return m, err
}

// maxPrivate is longer than any private half that fits a public one: that of
// 8192 bit RSA has 6,300 characters.
const maxPrivate = 7000

func parsePrivate(text string, public crypto.PublicKey) (crypto.Signer, error) {
	if len(text) > maxPrivate {
		return nil, fmt.Errorf("%w: a private half of %d characters", ErrKeyMaterial, len(text))
	}
	der, ok := decode64(text)
	if !ok {
		return nil, fmt.Errorf("%w: the private half is not base64url", ErrMalformed)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the private half is not PKCS #8", ErrKeyMaterial) // err is left out: it might quote
	}
	signer, ok := private.(crypto.Signer)
	if !ok || !equal(public, signer.Public()) {
		return nil, fmt.Errorf("%w: the private half is that of another key", ErrKeyMaterial)
	}
	again, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil || string(again) != string(der) {
		return nil, fmt.Errorf("%w: the private half is not as we write it", ErrKeyMaterial)
	}
	return signer, nil
}
