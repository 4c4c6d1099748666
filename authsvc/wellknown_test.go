package authsvc_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi"
)

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	a := w.get("/.well-known/oauth-authorization-server").want(t, 200, "")
	var m openapi.Metadata
	must(t, json.Unmarshal(a.body, &m))
	if m.Issuer != w.issuer || fmt.Sprint(m.IDTokenSigningAlgValuesSupported) != "[ES256]" {
		t.Errorf("%+v", m)
	}
	if f := m.SealringFeed; f.AccessTTL != 300 || f.MaxStale != 300 || f.EntryLife != 1320 || f.Heartbeat != 1 {
		t.Errorf("%+v", f)
	}
	if m.RevocationEndpoint != w.issuer+"/v1/revoke" || fmt.Sprint(m.RevocationEndpointAuthMethodsSupported) != "[none client_secret_basic client_secret_post]" ||
		m.IntrospectionEndpoint != w.issuer+"/v1/introspect" || fmt.Sprint(m.IntrospectionEndpointAuthMethodsSupported) != "[client_secret_basic client_secret_post]" {
		t.Errorf("%+v", m)
	}
	for _, uri := range []string{m.JwksURI, m.SealringFeed.SessionKeysURI, m.SealringFeed.URI + "?snapshot=1"} {
		w.get(uri, w.basic()).want(t, 200, "")
	}
	if b := w.get("/.well-known/openid-configuration").want(t, 200, ""); string(b.body) != string(a.body) {
		t.Errorf("the alias differs: %s", b.body)
	}
}

func TestDocumentsAreCacheable(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/openapi.yaml"} {
		a := w.get(path).want(t, 200, "")
		tag := a.header.Get("ETag")
		if cc := a.header.Get("Cache-Control"); cc != "public, max-age=300" && path != "/openapi.yaml" {
			t.Errorf("%s: %q", path, cc)
		}
		for _, held := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if b := w.get(path, header("If-None-Match", held)); b.status != 304 || len(b.body) != 0 || b.header.Get("ETag") != tag {
				t.Errorf("%s with %s: %d", path, held, b.status)
			}
		}
		w.get(path, header("If-None-Match", `"x"`)).want(t, 200, "")
	}
}

func TestKeySetIsPublic(t *testing.T) {
	w := newWorld(t)
	a := w.get("/.well-known/jwks.json").want(t, 200, "")
	set, err := keys.ParseSet(a.body)
	must(t, err)
	for _, k := range set.Keys() {
		if k.Signer() != nil || k.Secret() != nil || k.Purpose == keys.SessionCookie || k.Purpose == keys.RefreshToken {
			t.Errorf("not public: %s of %s", k.ID, k.Purpose)
		}
	}
	if a.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("%v", a.header)
	}
}

func TestOpenAPIDocumentIsServed(t *testing.T) {
	w := newWorld(t)
	if a := w.get("/openapi.yaml").want(t, 200, ""); string(a.body) != string(openapi.Document) {
		t.Error("another document")
	}
}
