package budget_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens/budget"
)

func reply(cookie, extra int) budget.Reply {
	c := budget.Cookie{Name: "c", Value: strings.Repeat("x", cookie-1)}
	return budget.Reply{
		Status:  "200 OK",
		Cookies: []budget.Cookie{c},
		Fields:  []budget.Field{{Name: "X", Value: strings.Repeat("y", extra)}},
	}
}

func TestCheck(t *testing.T) {
	const empty = len("HTTP/1.1 200 OK\r\nX: \r\n\r\n")
	for _, tc := range []struct {
		name          string
		cookie, extra int
		what          string
	}{
		{"a cookie of exactly the limit passes", budget.CookieLimit, 0, ""},
		{"one byte more does not", budget.CookieLimit + 1, 0, "c"},
		{"a header of exactly the limit passes", 10, budget.HeaderLimit - empty, ""},
		{"one byte more does not", 10, budget.HeaderLimit - empty + 1, "response header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := budget.Check(reply(tc.cookie, tc.extra))
			var over *budget.OverError
			switch {
			case tc.what == "" && err != nil:
				t.Fatal(err)
			case tc.what == "":
			case !errors.As(err, &over):
				t.Fatalf("got %v, want an OverError", err)
			case over.What != tc.what || over.Bytes != over.Limit+1:
				t.Fatalf("got %+v", over)
			}
		})
	}
}

func TestOverErrorNamesTheBiggestPartFirst(t *testing.T) {
	r := reply(budget.CookieLimit+1, 0)
	r.Parts = []budget.Part{{"sub", 20}, {"data", 3000}, {"roles", 400}}
	var over *budget.OverError
	if !errors.As(budget.Check(r), &over) {
		t.Fatal("not over")
	}
	if got := fmt.Sprint(over.Parts); got != "[{data 3000} {roles 400} {sub 20}]" {
		t.Fatal(got)
	}
	if r.Parts[0].Name != "sub" {
		t.Fatal("the caller's parts were sorted in place")
	}
}

func ExampleCheck() {
	r := budget.Reply{
		Status:  "200 OK",
		Cookies: []budget.Cookie{{Name: "__Host-session", Value: strings.Repeat("x", 4500)}},
		Parts:   []budget.Part{{"roles", 120}, {"data", 3100}},
	}
	err := budget.Check(r)
	var over *budget.OverError
	if errors.As(err, &over) {
		fmt.Println(err)
		fmt.Println("biggest:", over.Parts[0].Name)
	}
	// Output:
	// __Host-session is 4514 bytes, the limit is 4096
	// biggest: data
}
