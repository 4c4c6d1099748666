package authsvc

import (
	"strings"
	"testing"
)

var destinations = []string{"https://auth.example.com", "https://shop.example.com", "http://localhost:3000"}

func TestADestinationStaysWithTheApplication(t *testing.T) {
	for given, want := range map[string]string{
		"/":                              "https://auth.example.com/",
		"/orders?page=2&q=a%20b#top":     "https://auth.example.com/orders?page=2&q=a%20b#top",
		"/a/b/?next=https://other/../x":  "https://auth.example.com/a/b/?next=https://other/../x",
		"/z%C3%BCrich/%F0%9F%9A%86":      "https://auth.example.com/z%C3%BCrich/%F0%9F%9A%86",
		"/a//b/...":                      "https://auth.example.com/a//b/...",
		"/?lines=a%0Ab":                  "https://auth.example.com/?lines=a%0Ab",
		"/@ann/c:d;e":                    "https://auth.example.com/@ann/c:d;e",
		"/#//evil.example":               "https://auth.example.com/#//evil.example",
		"https://auth.example.com/x":     "https://auth.example.com/x",
		"https://shop.example.com":       "https://shop.example.com/",
		"https://shop.example.com/":      "https://shop.example.com/",
		"https://shop.example.com?a=b":   "https://shop.example.com/?a=b",
		"https://shop.example.com#a":     "https://shop.example.com/#a",
		"https://shop.example.com/c?d#e": "https://shop.example.com/c?d#e",
		"http://localhost:3000/c":        "http://localhost:3000/c",
		"/" + strings.Repeat("x", 2047):  "https://auth.example.com/" + strings.Repeat("x", 2047),
	} {
		if got, ok := returnTo(given, destinations); got != want || !ok {
			t.Errorf("%q leads to %q, %v", given, got, ok)
		}
	}
}

// What a browser writes in another way, or reads in another way than Go, is none.
func TestADestinationInDoubtIsNone(t *testing.T) {
	for _, given := range []string{
		"/a b", "/a\tb", "/a\nb", "/a\x00b", "/a\x7fb", "/a?b\\c", "/a#b\\c", "/a?b\"c", "/a?b<c", "/a?b>c", "/zürich", "/a?ü", "/a?\xff",
		"/a%5cb", "/a%5Cb", "/a%00b", "/a%0d%0ab", "/a%09b", "/a%7fb", "/a%c2%85b", "/a%c0%afb", "/a%ffb", "/a%", "/a%zz",
		"//a", "/%2fa", "///a", "/./a", "/a/./b", "/a/.", "/%2e/a", "/../a", "/a/../b", "/a/..", "/a/%2e%2e/b", "/a/.%2E",
		"https://shop.example.com//a", "https://shop.example.com/..", "https://shop.example.com/%2fa", "https://shop.example.com/a%00",
		"https://shop.example.comx", "https://shop.example.com:443/", "https://shop.example.com@a/", "HTTPS://shop.example.com/", "", "a", "?a", "#a",
		"/" + strings.Repeat("x", maxReturnTo), "https://shop.example.com/" + strings.Repeat("x", maxReturnTo),
	} {
		if got, ok := returnTo(given, destinations); ok || got != "" {
			t.Errorf("%q leads to %q", given, got)
		}
	}
}
