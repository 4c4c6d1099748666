package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// noon is the moment at which the tests take place.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// full asks for the sizes of the published results instead of those of every day:
// SEALRING_FULL=1 go test ./tokens/ -run 'Edit|Mutant' -timeout 30m
var full = os.Getenv("SEALRING_FULL") != ""

// bundle is a key source that knows what it is told, with the fault that it is
// to answer for a kid.
type bundle struct {
	keys   map[string]keys.Key
	faults map[string]error
}

func (b bundle) Key(kid string, p keys.Purpose, _ time.Time) (keys.Key, error) {
	if err := b.faults[kid]; err != nil {
		return keys.Key{}, err
	}
	k, ok := b.keys[kid]
	if !ok || k.Purpose != p {
		return keys.Key{}, keys.ErrUnknownKey
	}
	return k, nil
}

// fixture holds one key for each purpose and algorithm, as issuer and source.
type fixture struct {
	es, ed, rs, retired, revoked, feed keys.Key
	cookie, refresh                    keys.Key
	src                                bundle
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{
		es:      signingKey(t, keys.AccessToken, keys.ES256, readPEM(t, "es256")),
		ed:      signingKey(t, keys.AccessToken, keys.EdDSA, readPEM(t, "eddsa")),
		rs:      signingKey(t, keys.AccessToken, keys.RS256, readPEM(t, "rs256")),
		retired: signingKey(t, keys.AccessToken, keys.ES256, readPEM(t, "es256-retired")),
		revoked: signingKey(t, keys.AccessToken, keys.ES256, newES256(t)),
		feed:    signingKey(t, keys.Feed, keys.EdDSA, readPEM(t, "feed")),
		cookie:  sealingKey(t, keys.SessionCookie, "cookie"),
		refresh: sealingKey(t, keys.RefreshToken, "refresh"),
	}
	f.src = bundle{keys: map[string]keys.Key{}, faults: map[string]error{
		f.retired.ID: keys.ErrRetiredKey, f.revoked.ID: keys.ErrRevokedKey,
	}}
	for _, k := range []keys.Key{f.es, f.ed, f.rs, f.retired, f.revoked, f.feed, f.cookie, f.refresh} {
		f.src.keys[k.ID] = k
	}
	return f
}

func readPEM(t testing.TB, name string) crypto.Signer {
	t.Helper()
	data, err := os.ReadFile("testdata/keys/" + name + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

func newES256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signingKey(t testing.TB, p keys.Purpose, alg keys.Alg, s crypto.Signer) keys.Key {
	t.Helper()
	k, err := keys.NewSigningKey(p, alg, s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealingKey(t testing.TB, p keys.Purpose, name string) keys.Key {
	t.Helper()
	data, err := os.ReadFile("testdata/keys/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.NewSealingKey(p, secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func id(b byte) tokens.ID {
	var v tokens.ID
	for i := range v {
		v[i] = b + byte(i)
	}
	return v
}

func annsClaims() *tokens.Claims {
	return &tokens.Claims{
		Issuer: "https://auth.example.com", Subject: "ann", Audience: []string{"orders", "stock"},
		IssuedAt: noon, ExpiresAt: noon.Add(5 * time.Minute), AuthTime: noon.Add(-time.Hour),
		ID: id(1), SessionID: id(2), ClientID: "login",
		Scope: []string{"orders:read", "orders:write"}, Roles: []string{"clerk"},
	}
}

// exchanged are those of a token that orders has exchanged.
func exchanged() *tokens.Claims {
	c := annsClaims()
	c.Audience, c.ClientID, c.Actors = []string{"orders"}, "stock", []string{"stock", "orders", "login"}
	return c
}

func annsSession(token string) *tokens.Session {
	return &tokens.Session{
		Token: token, Data: []byte(`{"theme":"dark","cart":[1,2,3]}`), Version: 7,
		SessionEnd: noon.Add(11 * time.Hour), IdleEnd: noon.Add(30 * time.Minute),
	}
}

func annsRefresh() *tokens.Refresh {
	return &tokens.Refresh{
		SessionID: id(2), Generation: 3, IssuedAt: noon.UnixMilli(), ParentIssuedAt: noon.UnixMilli() - 290_123,
		Subject: "ann", ClientID: "login", Audience: []string{"orders"}, Scope: []string{"orders:read"},
		AuthTime: noon.Add(-time.Hour), IdleEnd: noon.Add(30 * time.Minute), SessionEnd: noon.Add(11 * time.Hour), Cookie: true,
		FirstAttempt: noon.UnixMilli() + 60_000, LastAttempt: noon.UnixMilli() + 360_000,
	}
}

func orders() tokens.Expect {
	return tokens.Expect{Issuer: "https://auth.example.com", Audiences: []string{"orders"}, Leeway: time.Minute}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// craft signs any header and payload, as an attacker with a key would. It
// shares no code with Sign.
func craft(t testing.TB, header, payload string, s crypto.Signer, alg string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	sig, err := jwt.GetSigningMethod(alg).Sign(input, s)
	if err != nil {
		t.Fatal(err)
	}
	if alg == "ES256" {
		sig = setS(sig, false)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// setS turns r ‖ s into the form with the higher or the lower s.
func setS(sig []byte, high bool) []byte {
	n := elliptic.P256().Params().N
	s := new(big.Int).SetBytes(sig[32:])
	if isHigh := s.Cmp(new(big.Int).Rsh(n, 1)) > 0; isHigh != high {
		s.Sub(n, s)
	}
	out := append([]byte(nil), sig[:32]...)
	return append(out, s.FillBytes(make([]byte, 32))...)
}

func hmac256(secret []byte, input string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return m.Sum(nil)
}

// reasonOf is the Reason of a refusal, and empty for anything else.
func reasonOf(err error) tokens.Reason {
	var e *tokens.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
