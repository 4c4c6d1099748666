package tokens_test

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestVerifyGivesBackTheClaimsThatSignTook(t *testing.T) {
	f := setup(t)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		raw := must[string](t)(tokens.Sign(annsClaims(), k))
		got := must[*tokens.Claims](t)(tokens.Verify(raw, f.src, orders(), noon))
		want := annsClaims()
		want.KeyID = k.ID
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", k.Alg, got, want)
		}
	}
}

func TestAServicesOwnTokenHasItsIssueForItsLogin(t *testing.T) {
	f := setup(t)
	c := annsClaims()
	c.SessionID, c.AuthTime, c.Scope, c.Roles = tokens.ID{}, time.Time{}, nil, nil
	raw := must[string](t)(tokens.Sign(c, f.es))
	got := must[*tokens.Claims](t)(tokens.Verify(raw, f.src, orders(), noon))
	if !got.SessionID.IsZero() || got.Scope != nil || got.Roles != nil || !got.AuthTime.Equal(got.IssuedAt) {
		t.Errorf("got %+v", got)
	}
}

func TestSignRoundsTimesDown(t *testing.T) {
	f := setup(t)
	c := annsClaims()
	c.ExpiresAt = c.ExpiresAt.Add(999 * time.Millisecond)
	raw := must[string](t)(tokens.Sign(c, f.es))
	got := must[*tokens.Claims](t)(tokens.Verify(raw, f.src, orders(), noon))
	if !got.ExpiresAt.Equal(noon.Add(5 * time.Minute)) {
		t.Errorf("exp is %v", got.ExpiresAt)
	}
}

func TestTheClockDecides(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	exp := noon.Add(5 * time.Minute)
	for name, c := range map[string]struct {
		now  time.Time
		want tokens.Reason
	}{
		"a second before exp":                    {exp.Add(-time.Second), ""},
		"at exp, within the leeway":              {exp, ""},
		"the last moment of the leeway":          {exp.Add(time.Minute - 1), ""},
		"exp plus the leeway":                    {exp.Add(time.Minute), tokens.Expired},
		"a year later":                           {exp.AddDate(1, 0, 0), tokens.Expired},
		"iat as far ahead as the leeway":         {noon.Add(-time.Minute), ""},
		"iat a moment further ahead":             {noon.Add(-time.Minute - 1), tokens.NotYet},
		"a clock that was never set (time zero)": {time.Time{}, tokens.NotYet},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := tokens.Verify(raw, f.src, orders(), c.now)
			if reasonOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if returned := claims != nil; returned != (c.want == "" || c.want == tokens.Expired) {
				t.Errorf("claims returned: %v", returned)
			}
		})
	}
}

func TestAuthTimeMayBeASecondPastTheLeeway(t *testing.T) {
	f := setup(t)
	for ahead, want := range map[time.Duration]tokens.Reason{61 * time.Second: "", 62 * time.Second: tokens.NotYet} {
		c := annsClaims()
		c.AuthTime = noon.Add(ahead)
		raw := must[string](t)(tokens.Sign(c, f.es))
		if _, err := tokens.Verify(raw, f.src, orders(), noon); reasonOf(err) != want {
			t.Errorf("%v ahead: %v", ahead, err)
		}
	}
}

func TestExpectationsAreMet(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for name, c := range map[string]struct {
		change func(*tokens.Expect)
		want   tokens.Reason
	}{
		"another issuer":                  {func(e *tokens.Expect) { e.Issuer += "/" }, tokens.WrongIssuer},
		"the issuer in another case":      {func(e *tokens.Expect) { e.Issuer = "https://AUTH.example.com" }, tokens.WrongIssuer},
		"another audience":                {func(e *tokens.Expect) { e.Audiences = []string{"billing"} }, tokens.WrongAud},
		"a prefix of the audience":        {func(e *tokens.Expect) { e.Audiences = []string{"order"} }, tokens.WrongAud},
		"the second of two audiences":     {func(e *tokens.Expect) { e.Audiences = []string{"billing", "stock"} }, ""},
		"an algorithm that is not listed": {func(e *tokens.Expect) { e.Algs = []keys.Alg{keys.EdDSA, keys.RS256} }, tokens.WrongAlg},
		"an algorithm that is listed":     {func(e *tokens.Expect) { e.Algs = []keys.Alg{keys.ES256} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := orders()
			c.change(&e)
			if _, err := tokens.Verify(raw, f.src, e, noon); reasonOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnExpectThatDemandsTooLittleIsAMistakeOfTheProgram(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for name, change := range map[string]func(*tokens.Expect){
		"no issuer":         func(e *tokens.Expect) { e.Issuer = "" },
		"no audience":       func(e *tokens.Expect) { e.Audiences = nil },
		"an empty audience": func(e *tokens.Expect) { e.Audiences = []string{"orders", ""} },
		"negative leeway":   func(e *tokens.Expect) { e.Leeway = -1 },
		"hours of leeway":   func(e *tokens.Expect) { e.Leeway = time.Hour },
		"an unknown alg":    func(e *tokens.Expect) { e.Algs = []keys.Alg{"HS256"} },
		"a sealing alg":     func(e *tokens.Expect) { e.Algs = []keys.Alg{keys.A256GCM} },
	} {
		t.Run(name, func(t *testing.T) {
			e := orders()
			change(&e)
			_, err := tokens.Verify(raw, f.src, e, noon)
			if !errors.Is(err, tokens.ErrExpect) || errors.Is(err, tokens.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestErrorsTellWhoseFaultItIs(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	for name, c := range map[string]struct {
		fault   error
		invalid bool
		reason  tokens.Reason
	}{
		"unknown key":     {keys.ErrUnknownKey, true, tokens.UnknownKey},
		"retired key":     {fmt.Errorf("ring: %w", keys.ErrRetiredKey), true, tokens.RetiredKey},
		"revoked key":     {keys.ErrRevokedKey, true, tokens.RevokedKey},
		"no key set yet":  {keys.ErrUnavailable, false, ""},
		"any other fault": {errors.New("disk on fire"), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			src := bundle{keys: f.src.keys, faults: map[string]error{f.es.ID: c.fault}}
			_, err := tokens.Verify(raw, src, orders(), noon)
			if !errors.Is(err, c.fault) || errors.Is(err, tokens.ErrInvalid) != c.invalid || reasonOf(err) != c.reason {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := tokens.Verify(raw, f.src, orders(), noon.AddDate(1, 0, 0))
	if !errors.Is(err, tokens.ErrExpired) || !errors.Is(err, tokens.ErrInvalid) {
		t.Errorf("expired: %v", err)
	}
	_, err = tokens.Verify("no token", f.src, orders(), noon)
	if errors.Is(err, tokens.ErrExpired) || !errors.Is(err, tokens.ErrInvalid) {
		t.Errorf("garbage: %v", err)
	}
}

func TestAnExpiredTokenThatIsWrongOtherwiseIsNotJustExpired(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
	e := orders()
	e.Audiences = []string{"billing"}
	claims, err := tokens.Verify(raw, f.src, e, noon.AddDate(1, 0, 0))
	if claims != nil || errors.Is(err, tokens.ErrExpired) || reasonOf(err) != tokens.WrongAud {
		t.Errorf("got %v, %v", claims, err)
	}
}

// liar is a source that answers with its key whatever it is asked for.
type liar struct{ key keys.Key }

func (l liar) Key(string, keys.Purpose, time.Time) (keys.Key, error) { return l.key, nil }

func TestASourceThatGivesTheWrongKeyIsNotBelieved(t *testing.T) {
	f := setup(t)
	head := func(k keys.Key) string {
		return `{"alg":"` + string(k.Alg) + `","kid":"` + k.ID + `","typ":"at+jwt"}`
	}
	payload := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.es)))
	for name, c := range map[string]struct {
		raw  string
		key  keys.Key
		want tokens.Reason
	}{
		"a feed key":         {craft(t, head(f.feed), payload, f.feed.Signer(), "EdDSA"), f.feed, tokens.UnknownKey},
		"a key of other kid": {craft(t, head(f.es), payload, f.es.Signer(), "ES256"), f.retired, tokens.UnknownKey},
		"a key of other alg": {craft(t, strings.Replace(head(f.ed), "EdDSA", "ES256", 1), payload, f.es.Signer(), "ES256"), f.ed, tokens.WrongAlg},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tokens.Verify(c.raw, liar{c.key}, orders(), noon); reasonOf(err) != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func payloadOf(t testing.TB, raw string) string {
	t.Helper()
	return string(must[*tokens.Inspection](t)(tokens.InspectUnverified(raw)).Payload)
}

func TestErrorsQuoteNothingOfTheToken(t *testing.T) {
	f := setup(t)
	const mark = "s3cr3tmark"
	good := must[string](t)(tokens.Sign(annsClaims(), f.es))
	parts := strings.Split(good, ".")
	for _, raw := range []string{
		mark, mark + "." + mark + "." + mark,
		b64(`{"`+mark+`":"`+mark+`"}`) + ".e30." + parts[2],
		b64(`{"alg":"`+mark+`","kid":"`+f.es.ID+`","typ":"at+jwt"}`) + ".e30." + parts[2],
		b64(`{"alg":"ES256","kid":"`+f.es.ID+`","typ":"`+mark+`"}`) + ".e30." + parts[2],
		craft(t, header(f.es), `{"`+mark+`":`+mark+`}`, f.es.Signer(), "ES256"),
	} {
		_, err := tokens.Verify(raw, f.src, orders(), noon)
		if err == nil || strings.Contains(err.Error(), mark) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// header is the header that Sign gives.
func header(k keys.Key) string {
	return `{"alg":"` + string(k.Alg) + `","kid":"` + k.ID + `","typ":"at+jwt"}`
}

// Window is where Verify accepts, to the nanosecond, whichever time bounds it.
func TestTheWindowIsWhereVerifyAccepts(t *testing.T) {
	f := setup(t)
	at := func(seconds int) string { return strconv.FormatInt(noon.Unix()+int64(seconds), 10) }
	for name, times := range map[string]string{
		"iat bounds it":       `"iat":` + at(0) + `,"auth_time":` + at(-3600),
		"nbf bounds it":       `"iat":` + at(0) + `,"auth_time":` + at(-3600) + `,"nbf":` + at(30),
		"nbf does not":        `"iat":` + at(0) + `,"auth_time":` + at(-3600) + `,"nbf":` + at(-30),
		"auth_time bounds it": `"iat":` + at(0) + `,"auth_time":` + at(40),
		"auth_time does not":  `"iat":` + at(0) + `,"auth_time":` + at(1),
		"there was no login":  `"iat":` + at(0),
	} {
		t.Run(name, func(t *testing.T) {
			payload := `{"iss":"https://auth.example.com","sub":"ann","aud":["orders"],"client_id":"web","jti":"` + id(1).String() +
				`","exp":` + at(300) + `,` + times + `}`
			raw := craft(t, header(f.es), payload, f.es.Signer(), "ES256")
			c := must[*tokens.Claims](t)(tokens.Verify(raw, f.src, orders(), noon.Add(time.Minute)))
			from, until := c.Window(orders().Leeway)
			for at, want := range map[time.Time]bool{from.Add(-1): false, from: true, until.Add(-1): true, until: false} {
				if _, err := tokens.Verify(raw, f.src, orders(), at); (err == nil) != want {
					t.Errorf("at %v of %v to %v: %v", at, from, until, err)
				}
			}
		})
	}
}

// A key that verifies many does so by a table. What is accepted stays the same, and
// the table can be done without.
func TestAnEdDSAKeyThatVerifiesManyIsAsStrict(t *testing.T) {
	f := setup(t)
	raw := must[string](t)(tokens.Sign(annsClaims(), f.ed))
	forged := raw[:len(raw)-86] + strings.Repeat("A", 86)
	for _, without := range []bool{false, true} {
		expect := orders()
		expect.NoTables = without
		for n := range 250 {
			if _, err := tokens.Verify(raw, f.src, expect, noon); err != nil {
				t.Fatalf("the %d-th time: %v", n, err)
			}
			if _, err := tokens.Verify(forged, f.src, expect, noon); reasonOf(err) != tokens.BadSignature {
				t.Fatalf("forged, the %d-th time: %v", n, err)
			}
		}
	}
}

// A table is made of a key for access tokens, unless it is to be done without, and of
// none for the feed, of which there is a frame a second.
func TestATableIsMadeWhereItIsWorthItAlone(t *testing.T) {
	f := setup(t)
	access := must[string](t)(tokens.Sign(annsClaims(), f.ed))
	feed := must[string](t)(tokens.SignBytes(tokens.TypFeed, []byte("frame"), f.feed))
	with, without := orders(), orders()
	without.NoTables = true
	for _, c := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"the feed", func() error { _, err := tokens.VerifyBytes(tokens.TypFeed, feed, f.src, noon); return err }, false},
		{"without", func() error { _, err := tokens.VerifyLive(access, f.src, without, noon); return err }, false},
		{"with", func() error { _, err := tokens.VerifyLive(access, f.src, with, noon); return err }, true},
	} {
		made := false
		for range 250 {
			n := allocated(1, func() {
				if err := c.do(); err != nil {
					t.Fatal(err)
				}
			})
			made = made || n > 256<<10
		}
		if made != c.want {
			t.Errorf("%s: a table is made: %v", c.name, made)
		}
	}
}
