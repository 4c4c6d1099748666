// Command gostacks reads one exchange (JSON) from standard input, does it with
// two Go libraries, and writes what they saw and what they signed (JSON) to
// standard output. foreign_test.go describes both shapes.
package main

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

type exchange struct {
	Issuer, Audience string
	JWKS             json.RawMessage
	Private          map[string]json.RawMessage
	Tokens           map[string]string
	Sealed           map[string]struct {
		Raw string
		JWK json.RawMessage
	}
	Claims json.RawMessage
}

type seen struct {
	Library string `json:"library"`
	Alg     string `json:"alg"`
	Subject string `json:"sub"`
}

type opened struct {
	Library   string `json:"library"`
	Name      string `json:"name"`
	Plaintext string `json:"plaintext"`
}

type signed struct {
	Library    string `json:"library"`
	Alg        string `json:"alg"`
	Raw        string `json:"raw"`
	RefusedFor string `json:"refusedFor"`
}

func main() {
	log.SetFlags(0)
	var x exchange
	must(json.NewDecoder(os.Stdin).Decode(&x))
	out := struct {
		Verified []seen   `json:"verified"`
		Opened   []opened `json:"opened"`
		Signed   []signed `json:"signed"`
	}{verify(x), open(x), sign(x)}
	must(json.NewEncoder(os.Stdout).Encode(out))
}

func verify(x exchange) (all []seen) {
	set, err := jwk.Parse(x.JWKS)
	must(err)
	var public []crypto.PublicKey
	for i := range set.Len() {
		key, _ := set.Key(i)
		var raw any
		must(jwk.Export(key, &raw))
		public = append(public, raw)
	}
	for alg, raw := range x.Tokens {
		token, err := jwt.Parse([]byte(raw), jwt.WithKeySet(set), jwt.WithIssuer(x.Issuer), jwt.WithAudience(x.Audience))
		must(err)
		sub, _ := token.Subject()
		all = append(all, seen{"lestrrat jwx", alg, sub})

		verifier := oidc.NewVerifier(x.Issuer, &oidc.StaticKeySet{PublicKeys: public},
			&oidc.Config{ClientID: x.Audience, SupportedSigningAlgs: []string{alg}})
		id, err := verifier.Verify(context.Background(), raw)
		must(err)
		all = append(all, seen{"go-oidc", alg, id.Subject})
	}
	return all
}

func open(x exchange) (all []opened) {
	for name, sealed := range x.Sealed {
		key, err := jwk.ParseKey(sealed.JWK)
		must(err)
		alg := jwa.DIRECT()
		if name == "refresh" {
			alg = jwa.A256KW()
		}
		var secret []byte
		must(jwk.Export(key, &secret))
		plain, err := jwe.Decrypt([]byte(sealed.Raw), jwe.WithKey(alg, secret))
		must(err)
		all = append(all, opened{"lestrrat jwx", name, base64.RawURLEncoding.EncodeToString(plain)})
	}
	return all
}

func sign(x exchange) (all []signed) {
	for name, private := range x.Private {
		key, err := jwk.ParseKey(private)
		must(err)
		alg, ok := jwa.LookupSignatureAlgorithm(name)
		if !ok {
			log.Fatalf("jwx knows no %s", name)
		}
		do := func(typ, refusedFor string) {
			head := jws.NewHeaders()
			must(head.Set(jws.TypeKey, typ))
			raw, err := jws.Sign(x.Claims, jws.WithKey(alg, key, jws.WithProtectedHeaders(head)))
			must(err)
			all = append(all, signed{"lestrrat jwx", name, string(raw), refusedFor})
		}
		for range 32 {
			do("at+jwt", "")
		}
		do("logout+jwt", "typ logout+jwt")
	}
	return all
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
