package tokens_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// Each case changes one thing in the payload of a token that is then signed
// with the right key, as a careless issuer would.
func TestClaimsAreReadStrictly(t *testing.T) {
	f := setup(t)
	good := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.es)))
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	add := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	const bad, ok = tokens.BadClaims, tokens.Reason("")
	for name, c := range map[string]struct {
		payload string
		want    tokens.Reason
	}{
		"as issued":                       {good, ok},
		"white space":                     {" \n" + strings.ReplaceAll(good, ",", " ,\t") + "\r\n", ok},
		"an unknown claim":                {add(`"tenant":{"a":[1,2.5e3,null,true,"x"]}`), ok},
		"an escape in a value":            {replace(`"ann"`, `"\u0061nn"`), ok},
		"aud as one string":               {replace(`["orders","stock"]`, `"orders"`), ok},
		"no auth_time and no sid":         {drop(drop(good, "auth_time"), "sid"), ok},
		"a past nbf":                      {add(`"nbf":1`), ok},
		"a future nbf":                    {add(`"nbf":4000000000`), tokens.NotYet},
		"nbf as a string":                 {add(`"nbf":"1"`), bad},
		"a key confirmation":              {add(`"cnf":{"jkt":"x"}`), bad},
		"an actor":                        {add(`"act":{"sub":"orders"}`), ok},
		"an actor for an actor":           {add(`"act":{"sub":"stock","act":{"sub":"orders","act":{"sub":"login"}}}`), ok},
		"an actor after what it acts for": {add(`"act":{"act":{"sub":"login"},"sub":"orders"}`), ok},
		"an actor that says more":         {add(`"act":{"sub":"orders","iss":"x","x":[1]}`), ok},
		"six actors":                      {add(`"act":` + actors(6)), ok},
		"seven actors":                    {add(`"act":` + actors(7)), bad},
		"an actor without a name":         {add(`"act":{}`), bad},
		"a nameless actor before":         {add(`"act":{"sub":"orders","act":{}}`), bad},
		"an actor with an empty name":     {add(`"act":{"sub":""}`), bad},
		"an actor with a line break": {add(`"act":{"sub":"a
"}`), bad},
		"an actor with a long name":        {add(`"act":{"sub":"` + strings.Repeat("a", 256) + `"}`), bad},
		"an actor as text":                 {add(`"act":"orders"`), bad},
		"actors as a list":                 {add(`"act":[{"sub":"orders"}]`), bad},
		"an actor null":                    {add(`"act":null`), bad},
		"an actor before null":             {add(`"act":{"sub":"orders","act":null}`), bad},
		"an actor named twice":             {add(`"act":{"sub":"orders","sub":"stock"}`), bad},
		"an actor named in another case":   {add(`"act":{"sub":"orders","Sub":"stock"}`), bad},
		"an actor with a foreign letter":   {add(`"act":{"sub":"orders","ſub":"stock"}`), bad},
		"an actor in another case":         {add(`"act":{"sub":"orders","ACT":{"sub":"login"}}`), bad},
		"no iss":                           {drop(good, "iss"), bad},
		"no sub":                           {drop(good, "sub"), bad},
		"no aud":                           {drop(good, "aud"), bad},
		"no exp":                           {drop(good, "exp"), bad},
		"no iat":                           {drop(good, "iat"), bad},
		"no jti":                           {drop(good, "jti"), bad},
		"no client_id":                     {drop(good, "client_id"), bad},
		"sid without auth_time":            {drop(good, "auth_time"), bad},
		"empty sub":                        {replace(`"ann"`, `""`), bad},
		"sub as a number":                  {replace(`"ann"`, `7`), bad},
		"sub null":                         {replace(`"ann"`, `null`), bad},
		"sub with a line break":            {replace(`"ann"`, `"ann\r\nX-Admin: 1"`), bad},
		"sub with a NUL":                   {replace(`"ann"`, `"ann\u0000"`), bad},
		"sub with half a surrogate":        {replace(`"ann"`, `"ann\ud800"`), bad},
		"sub with a low surrogate first":   {replace(`"ann"`, `"\udc00\udc00"`), bad},
		"sub with two high surrogates":     {replace(`"ann"`, `"\ud800\ud800"`), bad},
		"sub with half a pair, a letter":   {replace(`"ann"`, `"\ud800\u0041"`), bad},
		"sub with a whole pair":            {replace(`"ann"`, `"\ud83d\ude00"`), ok},
		"sub that is not UTF-8":            {replace(`"ann"`, "\"ann\xff\""), bad},
		"sub too long":                     {replace(`"ann"`, `"`+strings.Repeat("a", 256)+`"`), bad},
		"a duplicate":                      {add(`"sub":"bob"`), bad},
		"a duplicate of an unknown claim":  {add(`"x":1,"x":1`), bad},
		"a duplicate deep inside":          {add(`"x":{"y":[{"z":1,"z":2}]}`), bad},
		"a claim in another case":          {add(`"Sub":"bob"`), bad},
		"a claim with a foreign letter":    {add(`"iſs":"x"`), bad},
		"a claim with an escaped name":     {replace(`"sub"`, `"s\u0075b"`), bad},
		"an escaped duplicate":             {add(`"\u0073ub":"bob"`), bad},
		"exp as a string":                  {replace(`"exp":`, `"exp":"1772366700","e":`), bad},
		"exp zero":                         {replaceNumber(good, "exp", "0"), bad},
		"exp negative":                     {replaceNumber(good, "exp", "-1"), bad},
		"exp minus zero":                   {replaceNumber(good, "exp", "-0"), bad},
		"exp with a fraction":              {replaceNumber(good, "exp", "1772366700.0"), bad},
		"exp with an exponent":             {replaceNumber(good, "exp", "1772366700e0"), bad},
		"exp with a leading zero":          {replaceNumber(good, "exp", "01772366700"), bad},
		"exp with a plus":                  {replaceNumber(good, "exp", "+1772366700"), bad},
		"exp past 2106":                    {replaceNumber(good, "exp", "4294967296"), bad},
		"exp past 64 bits":                 {replaceNumber(good, "exp", "99999999999999999999"), bad},
		"exp null":                         {replaceNumber(good, "exp", "null"), bad},
		"exp equal to iat":                 {replaceNumber(good, "exp", "1772366400"), bad},
		"exp a day and a second after iat": {replaceNumber(good, "exp", "1772452801"), bad},
		"iat as a float":                   {replaceNumber(good, "iat", "1.7723664e9"), bad},
		"aud empty":                        {replace(`["orders","stock"]`, `[]`), bad},
		"aud with a number":                {replace(`"stock"`, `7`), bad},
		"aud nested":                       {replace(`"stock"`, `["stock"]`), bad},
		"aud an object":                    {replace(`["orders","stock"]`, `{"orders":1}`), bad},
		"aud with an empty text":           {replace(`"stock"`, `""`), bad},
		"aud with 256 entries":             {replace(`"stock"`, strings.Repeat(`"x",`, 255)+`"y"`), bad},
		"aud with 64 entries":              {replace(`"stock"`, strings.Repeat(`"x",`, 62)+`"y"`), ok},
		"scope as an array":                {replace(`"orders:read orders:write"`, `["orders:read"]`), bad},
		"scope with two blanks":            {replace(`"orders:read orders:write"`, `"a  b"`), bad},
		"scope with a blank at the end":    {replace(`"orders:read orders:write"`, `"a "`), bad},
		"scope empty":                      {replace(`"orders:read orders:write"`, `""`), bad},
		"scope with a quote":               {replace(`"orders:read orders:write"`, `"a\"b"`), bad},
		"roles as a string":                {replace(`["clerk"]`, `"clerk"`), bad},
		"roles empty":                      {replace(`["clerk"]`, `[]`), bad},
		"jti too short":                    {replace(id(1).String(), "AQI"), bad},
		"jti with spare bits":              {replace(id(1).String(), id(1).String()[:21]+"B"), bad},
		"jti zero":                         {replace(id(1).String(), strings.Repeat("A", 22)), bad},
		"sid null":                         {replace(`"`+id(2).String()+`"`, "null"), bad},
		"a second document":                {good + good, bad},
		"data after it":                    {good + "x", bad},
		"a NUL after it":                   {good + "\x00", bad},
		"a byte order mark":                {"\ufeff" + good, bad},
		"an array":                         {"[" + good + "]", bad},
		"nothing but null":                 {"null", bad},
		"a comma too many":                 {strings.Replace(good, "}", ",}", 1), bad},
		"eight deep":                       {add(`"x":` + strings.Repeat("[", 7) + strings.Repeat("]", 7)), ok},
		"nine deep":                        {add(`"x":` + strings.Repeat("[", 8) + strings.Repeat("]", 8)), bad},
		"many beside each other":           {add(`"x":[` + strings.Repeat("{},[],", 20) + `0]`), ok},
		"257 members":                      {add(`"x":{` + members(257) + `}`), bad},
		"256 members":                      {add(`"x":{` + members(256) + `}`), ok},
		"over a thousand values":           {add(`"x":[` + strings.Repeat("0,", 1100) + `0]`), bad},
		"a number without end":             {add(`"x":1` + strings.Repeat("0", 32)), bad},
		"a number no float can hold":       {add(`"x":1e999`), bad},
		"a raw control character":          {add("\"x\":\"a\tb\""), bad},
		"not quite a word":                 {add(`"x":nul`), bad},
	} {
		t.Run(name, func(t *testing.T) {
			raw := craft(t, header(f.es), c.payload, f.es.Signer(), "ES256")
			_, err := tokens.Verify(raw, f.src, orders(), noon)
			if reasonOf(err) != c.want || (err == nil) != (c.want == ok) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// actors is an act claim of n actors, a, b, c and so on.
func actors(n int) string {
	doc := "{"
	for i := range n {
		doc += `"sub":"` + string(rune('a'+i)) + `"`
		if i < n-1 {
			doc += `,"act":{`
		}
	}
	return doc + strings.Repeat("}", n)
}

// What is read of an act claim is who acts, the newest first, and is issued again
// the same.
func TestActorsAreReadInTheirOrder(t *testing.T) {
	f := setup(t)
	for n := range tokens.MaxActors {
		c := annsClaims()
		for i := range n + 1 {
			c.Actors = append(c.Actors, string(rune('a'+i)))
		}
		raw := must[string](t)(tokens.Sign(c, f.es))
		if payload := payloadOf(t, raw); !strings.Contains(payload, `"act":`+actors(n+1)) {
			t.Errorf("issued as %s", payload)
		}
		for name, verify := range map[string]func(string, keys.Source, tokens.Expect, time.Time) (*tokens.Claims, error){
			"Verify": tokens.Verify, "VerifyLive": tokens.VerifyLive,
		} {
			if got := must[*tokens.Claims](t)(verify(raw, f.src, orders(), noon)); !slices.Equal(got.Actors, c.Actors) {
				t.Errorf("%s: %v, want %v", name, got.Actors, c.Actors)
			}
		}
		sealed := must[string](t)(tokens.SealSession(annsSession(raw), f.cookie))
		if got := must[*tokens.Session](t)(tokens.OpenSession(sealed, f.src, noon)); got.Token != raw {
			t.Error("another token came out of a cookie")
		}
	}
}

// drop takes one member out of a flat object.
func drop(doc, name string) string {
	start := strings.Index(doc, `"`+name+`":`)
	end := start + strings.Index(doc[start:], `:`) + 1
	for depth := 0; depth > 0 || doc[end] != ',' && doc[end] != '}'; end++ {
		switch doc[end] {
		case '[':
			depth++
		case ']':
			depth--
		}
	}
	if doc[end] == ',' {
		return doc[:start] + doc[end+1:]
	}
	return strings.TrimSuffix(doc[:start], ",") + doc[end:]
}

func replaceNumber(doc, name, with string) string {
	start := strings.Index(doc, `"`+name+`":`) + len(name) + 3
	end := start + strings.IndexAny(doc[start:], ",}")
	return doc[:start] + with + doc[end:]
}

// members are n different members of an object.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + string(rune('a'+i/26%26)) + string(rune('a'+i%26)) + string(rune('a'+i/676)) + `":0`)
	}
	return b.String()
}

func TestAMissingClaimIsNamedAsSuch(t *testing.T) {
	f := setup(t)
	good := payloadOf(t, must[string](t)(tokens.Sign(annsClaims(), f.es)))
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id"} {
		raw := craft(t, header(f.es), drop(good, name), f.es.Signer(), "ES256")
		var e *tokens.Error
		if _, err := tokens.Verify(raw, f.src, orders(), noon); !errors.As(err, &e) || e.Detail != "claim missing" {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	f := setup(t)
	for name, change := range map[string]func(*tokens.Claims){
		"no issuer":                 func(c *tokens.Claims) { c.Issuer = "" },
		"no subject":                func(c *tokens.Claims) { c.Subject = "" },
		"no client":                 func(c *tokens.Claims) { c.ClientID = "" },
		"a client too long":         func(c *tokens.Claims) { c.ClientID = strings.Repeat("x", 256) },
		"no audience":               func(c *tokens.Claims) { c.Audience = nil },
		"an empty audience":         func(c *tokens.Claims) { c.Audience = []string{""} },
		"too many roles":            func(c *tokens.Claims) { c.Roles = strings.Split(strings.Repeat("r", 256), "") },
		"a login before 1970":       func(c *tokens.Claims) { c.AuthTime = time.Unix(-1, 0) },
		"a login past 2106":         func(c *tokens.Claims) { c.AuthTime = time.Unix(1<<32, 0) },
		"a subject of two lines":    func(c *tokens.Claims) { c.Subject = "a\nb" },
		"seven actors":              func(c *tokens.Claims) { c.Actors = strings.Split("abcdefg", "") },
		"an actor without a name":   func(c *tokens.Claims) { c.Actors = []string{"orders", ""} },
		"a subject in Latin-1":      func(c *tokens.Claims) { c.Subject = "\xe9" },
		"a scope with a blank":      func(c *tokens.Claims) { c.Scope = []string{"a b"} },
		"an empty scope":            func(c *tokens.Claims) { c.Scope = []string{""} },
		"no id":                     func(c *tokens.Claims) { c.ID = tokens.ID{} },
		"no expiry":                 func(c *tokens.Claims) { c.ExpiresAt = time.Time{} },
		"an expiry before its time": func(c *tokens.Claims) { c.ExpiresAt = c.IssuedAt },
		"two days of life":          func(c *tokens.Claims) { c.ExpiresAt = c.IssuedAt.Add(48 * time.Hour) },
		"a session without a login": func(c *tokens.Claims) { c.AuthTime = time.Time{} },
		"the year 2200":             func(c *tokens.Claims) { c.IssuedAt, c.ExpiresAt = noon.AddDate(174, 0, 0), noon.AddDate(174, 0, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			c := annsClaims()
			change(c)
			if raw, err := tokens.Sign(c, f.es); err == nil {
				t.Errorf("signed %s", raw)
			}
		})
	}
}

func TestSignRefusesKeysThatAreNotForIt(t *testing.T) {
	f := setup(t)
	public := keyWithoutPrivate(t, f)
	for name, k := range map[string]keys.Key{
		"a feed key": f.feed, "a sealing key": f.cookie, "no key": {}, "a public key": public,
	} {
		if _, err := tokens.Sign(annsClaims(), k); !errors.Is(err, tokens.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignRefusesATokenNobodyWouldTake(t *testing.T) {
	f := setup(t)
	c := annsClaims()
	for range 60 {
		c.Roles = append(c.Roles, strings.Repeat("r", 200))
	}
	if _, err := tokens.Sign(c, f.es); !errors.Is(err, tokens.ErrTooLong) {
		t.Errorf("got %v", err)
	}
}
