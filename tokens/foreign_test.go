package tokens_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// exchange is what a foreign program reads: our key set, what we signed and
// sealed, and the private keys to sign the claims with.
type exchange struct {
	Issuer   string                       `json:"issuer"`
	Audience string                       `json:"audience"`
	JWKS     json.RawMessage              `json:"jwks"`
	Private  map[keys.Alg]json.RawMessage `json:"private"` // alg: JWK
	Tokens   map[keys.Alg]string          `json:"tokens"`  // alg: access token
	Sealed   map[string]sealed            `json:"sealed"`
	Claims   map[string]any               `json:"claims"`
}

type sealed struct {
	Raw string          `json:"raw"`
	JWK json.RawMessage `json:"jwk"`
}

// answer is what a foreign program writes. It exits with a failure when it
// cannot verify or open something of ours.
type answer struct {
	Verified []struct{ Library, Alg, Sub string }
	Opened   []struct{ Library, Name, Plaintext string }
	Signed   []struct {
		Library, Alg, Raw string
		RefusedFor        string // empty: signed as we would
	}
}

// TestForeignStacks exchanges tokens with the JOSE libraries of other people:
// what we sign and seal they accept; what they sign with our keys as we would
// we accept, and whatever else they sign we refuse. `make needs` installs
// what this test runs.
func TestForeignStacks(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/foreign")); err != nil {
		t.Fatal(err)
	}
	x, src, now := newExchange(t)

	for name, stack := range map[string]struct {
		install, run []string
		libraries    int // how many must report on ES256
	}{
		"node":   {[]string{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"}, []string{"node", "exchange.mjs"}, 3},
		"python": {nil, []string{"/usr/bin/python3", "exchange.py"}, 2},
		"go":     {nil, []string{"go", "-C", "gostacks", "run", "."}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if stack.install != nil {
				command(t, dir, nil, stack.install...)
			}
			var a answer
			if err := json.Unmarshal(command(t, dir, x, stack.run...), &a); err != nil {
				t.Fatal(err)
			}
			checkAnswer(t, a, x, src, now, stack.libraries)
		})
	}
}

func checkAnswer(t *testing.T, a answer, x exchange, src keys.Source, now time.Time, libraries int) {
	seen := map[string]bool{}
	for _, v := range a.Verified {
		if v.Sub != "ann" {
			t.Errorf("%s read sub %q from our %s token", v.Library, v.Sub, v.Alg)
		}
		if v.Alg == string(keys.ES256) {
			seen[v.Library] = true
		}
	}
	if len(seen) != libraries {
		t.Errorf("libraries that verified ES256: %v, want %d", seen, libraries)
	}
	if len(a.Opened) < len(x.Sealed) {
		t.Errorf("opened %d sealed values, want at least %d", len(a.Opened), len(x.Sealed))
	}
	for _, o := range a.Opened {
		got, _ := base64.RawURLEncoding.DecodeString(o.Plaintext)
		want, err := tokens.Open(tokens.TypSession, x.Sealed[o.Name].Raw, src, now)
		if o.Name == "refresh" {
			want, err = tokens.Open(tokens.TypRefresh, x.Sealed[o.Name].Raw, src, now)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s opened our %s as %q, want %q (%v)", o.Library, o.Name, got, want, err)
		}
	}
	accepted := map[string]int{}
	for _, s := range a.Signed {
		by := s.Library + " " + s.Alg
		if s.RefusedFor == "" {
			accepted[by] += 0 // expected of it
		}
		wanted := s.RefusedFor == "" && !highS(s.Alg, s.Raw)
		_, err := tokens.Verify(s.Raw, src, tokens.Expect{Issuer: x.Issuer, Audiences: []string{x.Audience}}, now)
		switch {
		case wanted && err != nil:
			t.Errorf("%s token of %s refused: %v", s.Alg, s.Library, err)
		case wanted:
			accepted[by]++
		case err == nil:
			t.Errorf("%s token of %s accepted, want it refused: %s", s.Alg, s.Library, cmp.Or(s.RefusedFor, "high s"))
		case !errors.Is(err, tokens.ErrInvalid):
			t.Errorf("%s token of %s (%s): error %v is not ErrInvalid", s.Alg, s.Library, s.RefusedFor, err)
		}
	}
	for by, n := range accepted {
		if n == 0 {
			t.Errorf("no token of %s was accepted", by)
		}
	}
	t.Logf("accepted by library and algorithm: %v; %d exchanged", accepted, len(a.Signed))
}

// highS reports whether an ES256 signature has the s that we refuse: foreign
// signers do not normalise it, so half of theirs do.
func highS(alg, raw string) bool {
	if alg != string(keys.ES256) {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(raw[strings.LastIndexByte(raw, '.')+1:])
	if err != nil || len(sig) != 64 {
		return false // not compact ES256: refused for another reason
	}
	half, _ := new(big.Int).SetString("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8", 16)
	return new(big.Int).SetBytes(sig[32:]).Cmp(half) > 0
}

// newExchange makes a ring for each algorithm and, with its keys, a token of
// each, a session cookie and a refresh token. The foreign libraries read the
// machine's clock, and so must this test.
func newExchange(t *testing.T) (exchange, keys.Source, time.Time) {
	now := time.Now().UTC().Truncate(time.Second)
	x := exchange{
		Issuer: "https://auth.example.com", Audience: "orders",
		Private: map[keys.Alg]json.RawMessage{}, Tokens: map[keys.Alg]string{}, Sealed: map[string]sealed{},
		Claims: map[string]any{
			"iss": "https://auth.example.com", "sub": "bob", "aud": "orders", "client_id": "foreign",
			"jti": tokens.NewID().String(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(),
		},
	}
	claims := &tokens.Claims{
		Issuer: x.Issuer, Subject: "ann", Audience: []string{x.Audience}, ClientID: "login",
		ExpiresAt: now.Add(5 * time.Minute), IssuedAt: now, AuthTime: now, ID: tokens.NewID(), SessionID: tokens.NewID(),
		Scope: []string{"orders:read", "orders:write"}, Roles: []string{"admin"},
	}
	rings := map[keys.Alg]*keys.Ring{}
	var sets []*keys.Set
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		ring, err := keys.NewRing(keys.DefaultPlan(), alg, now)
		if err != nil {
			t.Fatal(err)
		}
		rings[alg] = ring
		sets = append(sets, ring.PublicSet(now))
		key := current(t, ring, keys.AccessToken, now)
		if x.Tokens[alg], err = tokens.Sign(claims, key); err != nil {
			t.Fatal(err)
		}
		x.Private[alg] = privateJWK(t, key.Signer(), key)
	}
	ring := rings[keys.ES256]
	cookie, refresh := current(t, ring, keys.SessionCookie, now), current(t, ring, keys.RefreshToken, now)
	rawCookie, err := tokens.SealSession(&tokens.Session{Token: x.Tokens[keys.ES256], Data: []byte(`{"theme":"dark"}`), SessionEnd: now.Add(time.Hour), IdleEnd: now.Add(time.Minute)}, cookie)
	if err != nil {
		t.Fatal(err)
	}
	rawRefresh, err := tokens.SealRefresh(&tokens.Refresh{
		SessionID: claims.SessionID, IssuedAt: now.UnixMilli(), Subject: "ann", ClientID: "login",
		Audience: claims.Audience, Scope: claims.Scope, AuthTime: now, IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(time.Hour),
	}, refresh)
	if err != nil {
		t.Fatal(err)
	}
	x.Sealed["session"] = sealed{rawCookie, privateJWK(t, cookie.Secret(), cookie)}
	x.Sealed["refresh"] = sealed{rawRefresh, privateJWK(t, refresh.Secret(), refresh)}
	public := keys.MergeSets(sets...)
	x.JWKS = public.JWKS()
	return x, sources{public, ring}, now
}

// sources asks one source after the other.
type sources []keys.Source

func (s sources) Key(kid string, p keys.Purpose, now time.Time) (k keys.Key, err error) {
	for _, src := range s {
		if k, err = src.Key(kid, p, now); err == nil {
			return k, nil
		}
	}
	return k, err
}

func current(t *testing.T, ring *keys.Ring, p keys.Purpose, now time.Time) keys.Key {
	t.Helper()
	key, err := ring.Current(p, now)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func privateJWK(t *testing.T, material any, key keys.Key) json.RawMessage {
	t.Helper()
	out, err := jose.JSONWebKey{Key: material, KeyID: key.ID, Algorithm: string(key.Alg)}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func command(t *testing.T, dir string, input any, args ...string) []byte {
	t.Helper()
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(in)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, problem.String())
	}
	return out.Bytes()
}
