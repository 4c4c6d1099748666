package tokens_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestOpenGivesBackWhatSealTook(t *testing.T) {
	f := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(t, "payload")
		for typ, k := range map[string]keys.Key{tokens.TypSession: f.cookie, tokens.TypRefresh: f.refresh} {
			raw, err := tokens.Seal(typ, payload, k)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tokens.Open(typ, raw, f.src, noon)
			if err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("%s: %v", typ, err)
			}
		}
	})
}

func TestSealRefuses(t *testing.T) {
	f := setup(t)
	for name, c := range map[string]struct {
		typ     string
		payload int
		key     keys.Key
		want    error
	}{
		"a refresh key for a cookie":  {tokens.TypSession, 1, f.refresh, tokens.ErrKey},
		"a cookie key for a refresh":  {tokens.TypRefresh, 1, f.cookie, tokens.ErrKey},
		"a signing key":               {tokens.TypSession, 1, f.es, tokens.ErrKey},
		"no key":                      {tokens.TypSession, 1, keys.Key{}, tokens.ErrKey},
		"content that fills the cap":  {tokens.TypSession, tokens.MaxTokenLen, f.cookie, tokens.ErrTooLong},
		"content that is just over":   {tokens.TypSession, 6050, f.cookie, tokens.ErrTooLong},
		"megabytes":                   {tokens.TypRefresh, 4 << 20, f.refresh, tokens.ErrTooLong},
		"megabytes of data":           {tokens.TypData, 4 << 20, f.refresh, tokens.ErrTooLong},
		"data of 128 KiB (ok)":        {tokens.TypData, 128 << 10, f.refresh, nil},
		"a cookie key for data":       {tokens.TypData, 1, f.cookie, tokens.ErrKey},
		"content that just fits (ok)": {tokens.TypSession, 5900, f.cookie, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tokens.Seal(c.typ, make([]byte, c.payload), c.key); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := tokens.Seal(tokens.TypSession, nil, f.cookie); err == nil {
		t.Error("sealed nothing")
	}
}

// sealAs seals as a holder of the key would that does not keep our rules.
func sealAs(t testing.TB, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, opts *jose.EncrypterOptions, kid, plain string) string {
	t.Helper()
	e := must[jose.Encrypter](t)(jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: kid, PBES2Count: 1000}, opts))
	obj := must[*jose.JSONWebEncryption](t)(e.Encrypt([]byte(plain)))
	return must[string](t)(obj.CompactSerialize())
}

// Each of these go-jose would open, or try to, with the right key.
func TestSealsOfAnotherMakeAreRefusedBeforeTheKey(t *testing.T) {
	f := setup(t)
	typ := func() *jose.EncrypterOptions {
		return (&jose.EncrypterOptions{}).WithType(tokens.TypSession)
	}
	zip := typ()
	zip.Compression = jose.DEFLATE
	secret := f.cookie.Secret()
	good := sealAs(t, jose.DIRECT, jose.A256GCM, secret, typ(), f.cookie.ID, "x")
	if _, err := tokens.Open(tokens.TypSession, good, f.src, noon); err != nil {
		t.Fatalf("the plain case: %v", err)
	}
	p := strings.Split(good, ".")
	for name, c := range map[string]struct {
		raw  string
		want tokens.Reason
	}{
		"a bomb in zip":        {sealAs(t, jose.DIRECT, jose.A256GCM, secret, zip, f.cookie.ID, strings.Repeat("0", 240_000)), tokens.BadHeader},
		"cty":                  {sealAs(t, jose.DIRECT, jose.A256GCM, secret, typ().WithContentType("JWT"), f.cookie.ID, "x"), tokens.BadHeader},
		"crit":                 {sealAs(t, jose.DIRECT, jose.A256GCM, secret, typ().WithHeader("crit", []string{"x"}), f.cookie.ID, "x"), tokens.BadHeader},
		"no typ":               {sealAs(t, jose.DIRECT, jose.A256GCM, secret, nil, f.cookie.ID, "x"), tokens.BadHeader},
		"no kid":               {sealAs(t, jose.DIRECT, jose.A256GCM, secret, typ(), "", "x"), tokens.BadHeader},
		"CBC":                  {sealAs(t, jose.DIRECT, jose.A128CBC_HS256, secret, typ(), f.cookie.ID, "x"), tokens.BadForm},
		"key wrap":             {sealAs(t, jose.A256KW, jose.A256GCM, secret, typ(), f.cookie.ID, "x"), tokens.BadForm},
		"key wrap in GCM":      {sealAs(t, jose.A256GCMKW, jose.A256GCM, secret, typ(), f.cookie.ID, "x"), tokens.BadForm},
		"a password":           {sealAs(t, jose.PBES2_HS256_A128KW, jose.A256GCM, "password", typ(), f.cookie.ID, "x"), tokens.BadForm},
		"an encrypted key":     {p[0] + ".AAAA." + p[2] + "." + p[3] + "." + p[4], tokens.BadForm},
		"a short iv":           {p[0] + ".." + p[2][:12] + "." + p[3] + "." + p[4], tokens.BadForm},
		"a short tag":          {p[0] + ".." + p[2] + "." + p[3] + "." + p[4][:16], tokens.BadForm},
		"no ciphertext":        {p[0] + ".." + p[2] + ".." + p[4], tokens.BadForm},
		"dir, by its own word": {b64(`{"alg":"A256KW","enc":"A256GCM","kid":"`+f.cookie.ID+`","typ":"session+jwe"}`) + good[len(p[0]):], tokens.WrongAlg},
		"another enc":          {b64(`{"alg":"dir","enc":"A128GCM","kid":"`+f.cookie.ID+`","typ":"session+jwe"}`) + good[len(p[0]):], tokens.WrongAlg},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tokens.Open(tokens.TypSession, c.raw, noSource{t}, noon); reasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestASealOfAnotherKeyIsRefused(t *testing.T) {
	f := setup(t)
	opts := (&jose.EncrypterOptions{}).WithType(tokens.TypSession)
	raw := sealAs(t, jose.DIRECT, jose.A256GCM, make([]byte, 32), opts, f.cookie.ID, "x")
	if _, err := tokens.Open(tokens.TypSession, raw, f.src, noon); reasonOf(err) != tokens.BadSeal {
		t.Errorf("got %v", err)
	}
}

func TestOpenSessionGivesBackTheVeryToken(t *testing.T) {
	f := setup(t)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		want := annsSession(must[string](t)(tokens.Sign(annsClaims(), k)))
		raw := must[string](t)(tokens.SealSession(want, f.cookie))
		got := must[*tokens.Session](t)(tokens.OpenSession(raw, f.src, noon))
		want.KeyID = f.cookie.ID
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", k.Alg, got)
		}
		if limit := len(want.Token) + 260; len(raw) > limit {
			t.Errorf("%s: %d bytes for a token of %d", k.Alg, len(raw), len(want.Token))
		}
	}
}

func TestSealSessionRefusesWhatItCouldNotGiveBack(t *testing.T) {
	f := setup(t)
	token := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for name, change := range map[string]func(*tokens.Session){
		"no token":               func(s *tokens.Session) { s.Token = "" },
		"a token with a newline": func(s *tokens.Session) { s.Token += "\n" },
		"a sealed value":         func(s *tokens.Session) { s.Token += ".AA.AA" },
		"an array for data":      func(s *tokens.Session) { s.Data = []byte("[]") },
		"a duplicate in data":    func(s *tokens.Session) { s.Data = []byte(`{"a":1,"a":2}`) },
		"bad UTF-8 in data":      func(s *tokens.Session) { s.Data = []byte("{\"a\":\"\xff\"}") },
		"no session end":         func(s *tokens.Session) { s.SessionEnd = time.Time{} },
		"no idle end":            func(s *tokens.Session) { s.IdleEnd = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := annsSession(token)
			change(s)
			if _, err := tokens.SealSession(s, f.cookie); !errors.Is(err, tokens.ErrSession) {
				t.Errorf("got %v", err)
			}
		})
	}
	s := annsSession(token)
	for _, n := range []int{7000, 70_000} {
		s.Data = []byte(`{"a":"` + strings.Repeat("x", n) + `"}`)
		if _, err := tokens.SealSession(s, f.cookie); !errors.Is(err, tokens.ErrTooLong) {
			t.Errorf("%d bytes of data: %v", n, err)
		}
	}
}

// Holders of the session keys can seal anything; a plaintext that is not in
// its one form is refused all the same.
func TestPlaintextsHaveOneForm(t *testing.T) {
	f := setup(t)
	session := must[string](t)(tokens.SealSession(annsSession(must[string](t)(tokens.Sign(annsClaims(), f.es))), f.cookie))
	refresh := must[string](t)(tokens.SealRefresh(annsRefresh(), f.refresh))
	for _, c := range []struct {
		typ, raw string
		key      keys.Key
		door     string
	}{{tokens.TypSession, session, f.cookie, "OpenSession"}, {tokens.TypRefresh, refresh, f.refresh, "OpenRefresh"}} {
		plain := must[[]byte](t)(tokens.Open(c.typ, c.raw, f.src, noon))
		enter := doors()[c.door]
		refused := func(what string, changed []byte) {
			raw := must[string](t)(tokens.Seal(c.typ, changed, c.key))
			if err := enter(raw, f.src); reasonOf(err) != tokens.BadPayload {
				t.Errorf("%s, %s: %v", c.typ, what, err)
			}
		}
		refused("a byte more", append(bytes.Clone(plain), 0))
		refused("version 0", append([]byte{0}, plain[1:]...))
		refused("another version", append([]byte{plain[0] + 1}, plain[1:]...))
		if c.typ == tokens.TypRefresh {
			refused("mode 2", append([]byte{1, 2}, plain[2:]...))
			refused("a zero session id", append(append([]byte{1, 1}, make([]byte, 16)...), plain[18:]...))
		}
		for i := 1; i < len(plain); i++ {
			refused("truncated", plain[:i])
		}
	}
}

// sessionPlain writes the plaintext of a session by hand.
func sessionPlain(header, payload, signature, data string, sessionEnd, idleEnd uint32) []byte {
	out := []byte{1}
	for _, block := range []string{header, payload, signature, data} {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(block))), block...)
	}
	for _, n := range []uint32{7, sessionEnd, idleEnd} {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return out
}

func TestSessionPlaintextsAreCheckedFieldByField(t *testing.T) {
	f := setup(t)
	end := uint32(noon.Unix())
	for name, c := range map[string]struct {
		plain []byte
		want  tokens.Reason
	}{
		"a plain one":         {sessionPlain("h", "p", "s", `{"a":1}`, end, end), ""},
		"without data":        {sessionPlain("h", "p", "s", "", end, end), ""},
		"no header":           {sessionPlain("", "p", "s", "", end, end), tokens.BadPayload},
		"no payload":          {sessionPlain("h", "", "s", "", end, end), tokens.BadPayload},
		"no signature":        {sessionPlain("h", "p", "", "", end, end), tokens.BadPayload},
		"no session end":      {sessionPlain("h", "p", "s", "", 0, end), tokens.BadPayload},
		"no idle end":         {sessionPlain("h", "p", "s", "", end, 0), tokens.BadPayload},
		"data that is a list": {sessionPlain("h", "p", "s", `[1]`, end, end), tokens.BadPayload},
		"data with two of a":  {sessionPlain("h", "p", "s", `{"a":1,"a":2}`, end, end), tokens.BadPayload},
	} {
		raw := must[string](t)(tokens.Seal(tokens.TypSession, c.plain, f.cookie))
		if _, err := tokens.OpenSession(raw, f.src, noon); reasonOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefreshGivesBackWhatSealRefreshTook(t *testing.T) {
	f := setup(t)
	text := rapid.StringMatching(`[a-zA-Z0-9äß漢|@./:-]{1,40}`)
	scope := rapid.StringMatching(`[a-z:]{1,20}`)
	second := rapid.Map(rapid.Int64Range(1, 1<<32-1), func(v int64) time.Time { return time.Unix(v, 0).UTC() })
	rapid.Check(t, func(t *rapid.T) {
		want := &tokens.Refresh{
			Generation: rapid.Uint32().Draw(t, "generation"),
			IssuedAt:   rapid.Int64Range(1, 1<<41).Draw(t, "i"), ParentIssuedAt: rapid.Int64Range(0, 1<<41).Draw(t, "p"),
			Subject: text.Draw(t, "sub"), ClientID: text.Draw(t, "client"),
			Audience: rapid.SliceOfN(text, 1, 5).Draw(t, "aud"), Scope: rapid.SliceOfN(scope, 1, 5).Draw(t, "scope"),
			AuthTime: second.Draw(t, "auth"), IdleEnd: second.Draw(t, "idle"), SessionEnd: second.Draw(t, "end"), Cookie: rapid.Bool().Draw(t, "cookie"),
		}
		copy(want.SessionID[:], rapid.SliceOfN(rapid.ByteMin(1), 16, 16).Draw(t, "sid"))
		raw, err := tokens.SealRefresh(want, f.refresh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tokens.OpenRefresh(raw, f.src, noon)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestSealRefreshRefuses(t *testing.T) {
	f := setup(t)
	for name, change := range map[string]func(*tokens.Refresh){
		"no session":           func(r *tokens.Refresh) { r.SessionID = tokens.ID{} },
		"no issue time":        func(r *tokens.Refresh) { r.IssuedAt = 0 },
		"a time before 1970":   func(r *tokens.Refresh) { r.ParentIssuedAt = -1 },
		"a time past 2106":     func(r *tokens.Refresh) { r.IssuedAt = 1 << 50 },
		"a parent past 2106":   func(r *tokens.Refresh) { r.ParentIssuedAt = 1 << 50 },
		"no subject":           func(r *tokens.Refresh) { r.Subject = "" },
		"no client":            func(r *tokens.Refresh) { r.ClientID = "" },
		"no audience":          func(r *tokens.Refresh) { r.Audience = nil },
		"too many audiences":   func(r *tokens.Refresh) { r.Audience = strings.Split(strings.Repeat("a", 256), "") },
		"a scope with a blank": func(r *tokens.Refresh) { r.Scope = []string{"a b"} },
		"no login":             func(r *tokens.Refresh) { r.AuthTime = time.Time{} },
		"no end":               func(r *tokens.Refresh) { r.SessionEnd = time.Time{} },
		"no idle end":          func(r *tokens.Refresh) { r.IdleEnd = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			r := annsRefresh()
			change(r)
			if _, err := tokens.SealRefresh(r, f.refresh); !errors.Is(err, tokens.ErrRefresh) {
				t.Errorf("got %v", err)
			}
		})
	}
}
