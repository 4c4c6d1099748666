package tokens_test

import (
	"maps"
	"strconv"
	"strings"
	"unicode"

	"github.com/sealring-dev/sealring/keys"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// judge is the oracle: the rules of the package comment, told anew over the
// model of a mutant. It shares nothing with the parser; in particular it reads
// no JSON and no base64.
func judge(m *mutant, alg keys.Alg, f *fixture) string {
	if m.frame != "" && m.frame != "spaced" || m.hand != "right" {
		return "refused"
	}
	if !goodHeader(m.header, alg, f) {
		return "refused"
	}
	return judgeClaims(m.claims)
}

func goodHeader(header []member, alg keys.Alg, f *fixture) bool {
	key := map[keys.Alg]string{keys.ES256: f.es.ID, keys.EdDSA: f.ed.ID, keys.RS256: f.rs.ID}[alg]
	return exactly(header, map[string]string{"alg": string(alg), "kid": key, "typ": "at+jwt"})
}

// exactly: the header has these members, each once and spelt plainly, and no
// other.
func exactly(header []member, want map[string]string) bool {
	got := map[string]string{}
	for _, x := range header {
		if _, twice := got[x.name]; twice || x.key != x.name || x.val.str == nil || x.val.junk {
			return false
		}
		got[x.name] = *x.val.str
	}
	return maps.Equal(got, want)
}

func judgeClaims(claims []member) string {
	c := map[string]value{}
	for _, x := range claims {
		if _, twice := c[x.name]; twice || x.key != x.name || x.val.junk || disguised(x.name) {
			return "refused"
		}
		c[x.name] = x.val
	}
	if !present(c) || !wellFormed(c) || !ours(c) {
		return "refused"
	}
	return judgeTimes(c)
}

// disguised: a name that some reader takes for a claim's, but is not it.
func disguised(name string) bool {
	for _, known := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "scope", "roles", "auth_time", "nbf", "cnf", "act"} {
		if name != known && fold(name) == fold(known) {
			return true
		}
	}
	return false
}

func fold(s string) string {
	return strings.Map(func(c rune) rune { return unicode.ToLower(unicode.ToUpper(c)) }, s)
}

func present(c map[string]value) bool {
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id"} {
		if _, ok := c[name]; !ok {
			return false
		}
	}
	_, sid := c["sid"]
	_, login := c["auth_time"]
	_, bound := c["cnf"]
	return (!sid || login) && !bound
}

func wellFormed(c map[string]value) bool {
	for name, v := range c {
		switch name {
		case "iss":
			if v.str == nil || !goodText(*v.str, 512) {
				return false
			}
		case "sub", "client_id":
			if v.str == nil || !goodText(*v.str, 255) {
				return false
			}
		case "aud":
			if v.str != nil && goodText(*v.str, 255) {
				continue
			}
			if !goodList(v.list) {
				return false
			}
		case "roles":
			if !goodList(v.list) {
				return false
			}
		case "scope":
			if v.str == nil || !goodScope(*v.str) {
				return false
			}
		case "jti", "sid":
			if v.str == nil || !goodID(*v.str) {
				return false
			}
		case "act":
			if len(v.acts) == 0 || len(v.acts) > 6 || !goodList(v.acts) {
				return false
			}
		case "exp", "iat", "auth_time", "nbf":
			if v.num == nil || *v.num < 1 || *v.num > 4294967295 {
				return false
			}
		}
	}
	return true
}

func goodText(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsAny(s, "\t\x00\n\u2028")
}

func goodList(list []string) bool {
	for _, s := range list {
		if !goodText(s, 255) {
			return false
		}
	}
	return len(list) >= 1 && len(list) <= 255
}

func goodScope(s string) bool {
	for _, token := range strings.Split(s, " ") {
		if token == "" || strings.ContainsAny(token, "\"\\ä") {
			return false
		}
	}
	return true
}

// goodID: 21 characters and one that ends in four zero bits, not all zero.
func goodID(s string) bool {
	return len(s) == 22 && strings.ContainsRune("AQgw", rune(s[21])) && strings.Trim(s, "A") != ""
}

func ours(c map[string]value) bool {
	if *c["iss"].str != "https://auth.example.com" {
		return false
	}
	if s := c["aud"].str; s != nil {
		return *s == "orders"
	}
	return strings.Contains("\n"+strings.Join(c["aud"].list, "\n")+"\n", "\norders\n")
}

func judgeTimes(c map[string]value) string {
	const leeway = 60
	now, iat, exp := noon.Unix(), *c["iat"].num, *c["exp"].num
	late := func(name string, allowed int64) bool { v, ok := c[name]; return ok && *v.num > now+allowed }
	switch {
	case exp <= iat, exp-iat > 86400:
		return "refused"
	case late("iat", leeway), late("nbf", leeway), late("auth_time", leeway+1):
		return "refused"
	case now >= exp+leeway:
		return "expired"
	}
	return "accepted"
}
