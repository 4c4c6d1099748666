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
