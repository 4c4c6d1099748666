package budget_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/tokens/budget"
)

func find(t testing.TB, names ...string) budget.Profile {
	t.Helper()
	p, err := budget.Find(names...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reply has a cookie of so many bytes, with its name, and a line of so many.
func reply(cookie, line int) budget.Reply {
	return budget.Reply{
		Status:  "200 OK",
		Cookies: []budget.Cookie{{Name: "c", Value: strings.Repeat("x", cookie-1), Attributes: []string{"Path=/"}}},
		Fields:  []budget.Field{{Name: "X", Value: strings.Repeat("y", line-len("X: \r\n"))}},
	}
}

// Each limit of each profile, at the byte: the reply that has exactly so much
// passes it, and the one that has a byte more does not.
func TestEveryLimitIsExact(t *testing.T) {
	for _, p := range budget.Profiles() {
		for _, l := range p.Limits {
			t.Run(p.Name+" "+string(l.Measure), func(t *testing.T) {
				alone := budget.Profile{Name: p.Name, Limits: []budget.Limit{l}}
				before := alone.Read(grown(l.Measure, 0))[0]
				fits := before.Left()
				if err := alone.Check(grown(l.Measure, fits)); err != nil {
					t.Errorf("the limit itself: %v", err)
				}
				var over *budget.OverError
				if err := alone.Check(grown(l.Measure, fits+1)); !errors.As(err, &over) || over.Left() != -1 || over.Limit != l {
					t.Errorf("a byte more: %v", err)
				}
			})
		}
	}
}

// grown is a reply with n bytes more of what is measured.
func grown(m budget.Measure, n int) budget.Reply {
	r := reply(10, 10)
	switch m {
	case budget.ResponseHead:
		r.Fields[0].Value += strings.Repeat("y", n)
	case budget.ResponseLine:
		r.Cookies[0].Value += strings.Repeat("x", n)
	case budget.CookieAttribute:
		r.Cookies[0].Attributes[0] += strings.Repeat("p", n)
	default:
		r.Cookies[0].Value += strings.Repeat("x", n)
	}
	return r
}

// What is counted is what is written: of any reply, and of the request in which
// its cookies come back.
func TestSizesAreThoseOfTheText(t *testing.T) {
	text := rapid.StringMatching(`[!-~]([ -~]{0,40}[!-~])?`)
	token := rapid.StringMatching(`[A-Za-z_-]{1,20}`)
	portable := find(t, budget.Portable)
	rapid.Check(t, func(t *rapid.T) {
		r := budget.Reply{Status: rapid.SampledFrom([]string{"200 OK", "303 See Other"}).Draw(t, "status")}
		head, pairs, longest := "HTTP/1.1 "+r.Status+"\r\n", "", 0
		add := func(line string) {
			head += line + "\r\n"
			longest = max(longest, len(line)+2)
		}
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			f := budget.Field{Name: token.Draw(t, "name"), Value: text.Draw(t, "value")}
			r.Fields = append(r.Fields, f)
			add(f.Name + ": " + f.Value)
		}
		biggest := 0
		for range rapid.IntRange(0, 3).Draw(t, "cookies") {
			c := budget.Cookie{Name: token.Draw(t, "cookie"), Value: rapid.StringMatching(`[A-Za-z0-9]{0,50}`).Draw(t, "value"), Attributes: []string{"Path=/", "Secure"}}
			r.Cookies = append(r.Cookies, c)
			biggest = max(biggest, len(c.Name)+len(c.Value))
			add("Set-Cookie: " + c.Name + "=" + c.Value + "; Path=/; Secure")
			if c.Value != "" {
				if pairs != "" {
					pairs += "; "
				}
				pairs += c.Name + "=" + c.Value
			}
		}
		lines := strings.Count(head, "\r\n") - 1
		head += "\r\n"
		line := "Cookie: " + pairs + "\r\n"
		later := "POST /v1/refresh HTTP/1.1\r\n" + line + "\r\n"
		texts := len("/v1/refresh") + len("Cookie") + len(pairs)
		for _, reading := range portable.Read(r) {
			want := map[budget.Measure]int{
				budget.CookiePair: biggest, budget.CookieAttribute: len("/"),
				budget.ResponseHead: len(head) + reading.Limit.PerLine*lines, budget.ResponseLine: longest,
				budget.RequestHead: len(later) + budget.Reserve.Bytes + reading.Limit.PerLine*(1+budget.Reserve.Lines),
				budget.RequestLine: len(line), budget.RequestTexts: texts + budget.Reserve.Bytes,
			}[reading.Limit.Measure]
			if reading.Limit.Measure == budget.CookieAttribute && len(r.Cookies) == 0 {
				want = 0
			}
			if reading.Bytes != want {
				t.Fatalf("%s of %s: %d bytes, counted %d\n%s", reading.Limit.Measure, reading.Limit.Profile, want, reading.Bytes, head)
			}
		}
	})
}

// What portable lets through, every other profile does.
func TestPortableIsAllOfThem(t *testing.T) {
	portable := find(t, budget.Portable)
	rapid.Check(t, func(t *rapid.T) {
		r := reply(rapid.IntRange(1, 20_000).Draw(t, "cookie"), rapid.IntRange(5, 20_000).Draw(t, "line"))
		left := budget.Tightest(portable.Read(r)).Left()
		least := left + 1
		for _, name := range budget.Names()[1:] {
			p, err := budget.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, budget.Tightest(p.Read(r)).Left())
			if err := p.Check(r); err != nil && portable.Check(r) == nil {
				t.Fatal(err)
			}
		}
		if least != left || (portable.Check(r) == nil) != (left >= 0) {
			t.Fatalf("portable has %d bytes left, the tightest of them %d", left, least)
		}
	})
}

func TestTheBrowsersCountWhateverTheProxy(t *testing.T) {
	var over *budget.OverError
	if err := find(t, "caddy").Check(reply(4097, 10)); !errors.As(err, &over) || over.Limit.Profile != "browsers" || over.What != "c" {
		t.Errorf("%v", err)
	}
	if err := find(t, "caddy").Check(reply(4096, 10)); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownProfileIsNamedWithThoseThatThereAre(t *testing.T) {
	if _, err := budget.Find("nginx", "squid"); err == nil || !strings.Contains(err.Error(), `"squid"`) || !strings.Contains(err.Error(), "portable, browsers, nginx") {
		t.Errorf("%v", err)
	}
}

// A session that grows does not come nearer to what an attribute may have, and
// its headroom is not bounded by that.
func TestTheHeadroomIsThatOfALargerSession(t *testing.T) {
	p := find(t, "caddy")
	if got := budget.Tightest(p.Read(reply(10, 10))); got.Limit.Measure != budget.CookiePair {
		t.Errorf("the tightest of a small reply: %+v", got)
	}
	if got := budget.Tightest(p.Read(grown(budget.CookieAttribute, 1024))); got.Limit.Measure != budget.CookieAttribute {
		t.Errorf("the tightest where an attribute is over: %+v", got)
	}
}

func TestEveryLimitHasItsSource(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range budget.Profiles() {
		if seen[p.Name] || p.Title == "" || len(p.Limits) == 0 {
			t.Errorf("profile %+v", p)
		}
		seen[p.Name] = true
		for _, l := range p.Limits {
			if l.Profile != p.Name || l.Bytes <= 0 || l.Source == "" || l.Documented != strings.HasPrefix(l.Source, "documentation: ") {
				t.Errorf("%s: %+v", p.Name, l)
			}
		}
	}
}

func TestOverErrorNamesTheBiggestPartFirst(t *testing.T) {
	r := reply(4097, 10)
	r.Parts = []budget.Part{{"sub", 20}, {"data", 3000}, {"roles", 400}}
	var over *budget.OverError
	if !errors.As(find(t, budget.Portable).Check(r), &over) {
		t.Fatal("not over")
	}
	if got := fmt.Sprint(over.Parts); got != "[{data 3000} {roles 400} {sub 20}]" {
		t.Fatal(got)
	}
	if r.Parts[0].Name != "sub" {
		t.Fatal("the caller's parts were sorted in place")
	}
}

func ExampleProfile_Check() {
	r := budget.Reply{
		Status:  "200 OK",
		Cookies: []budget.Cookie{{Name: "__Host-session", Value: strings.Repeat("x", 4000)}},
		Parts:   []budget.Part{{"roles", 120}, {"data", 2800}},
	}
	p, err := budget.Find("nginx")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Check(r))
	r.Fields = []budget.Field{{Name: "Content-Security-Policy", Value: "default-src 'none'; frame-ancestors 'none'"}}
	err = p.Check(r)
	var over *budget.OverError
	if errors.As(err, &over) {
		fmt.Println(err)
		fmt.Println("biggest:", over.Parts[0].Name)
	}
	// Output:
	// <nil>
	// response header is 4117 bytes, the limit is 4096 (nginx)
	// biggest: data
}
