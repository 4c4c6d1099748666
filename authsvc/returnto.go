package authsvc

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReturnTo is in bytes, without the origin. A Location has to fit into the
// answer's header, with the cookies beside it: see sendOn.
const maxReturnTo = 2048

// returnTo judges where a browser asks to be sent on to. It takes two forms
// alone, just as a browser writes them: a path, which counts from the first of
// the origins, and a URL that begins with one of them. What it returns is always
// one of the origins in full, and then a slash, so that no two programs can read
// different hosts in it. Whatever is doubtful is no destination, and false: the
// caller has another, and nobody is kept from logging in.
func returnTo(given string, origins []string) (string, bool) {
	if strings.ContainsFunc(given, isOddInURL) {
		return "", false
	}
	if strings.HasPrefix(given, "/") {
		return inside(given, origins[0])
	}
	for _, origin := range origins {
		rest, ok := strings.CutPrefix(given, origin)
		if ok && (rest == "" || strings.ContainsRune("/?#", rune(rest[0]))) {
			return inside(rooted(rest), origin)
		}
	}
	return "", false
}

// isOddInURL: browsers write printable ASCII, drop tabs and line ends, and take
// a backslash for a slash.
func isOddInURL(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`\"<>`, c) }

func rooted(rest string) string {
	if strings.HasPrefix(rest, "/") {
		return rest
	}
	return "/" + rest
}

// inside puts a path with its query and fragment behind an origin. What comes
// after may take the path apart once more, with an escape less or without its
// dots, and must find nothing in it that looks like another host.
func inside(target, origin string) (string, bool) {
	if len(target) > maxReturnTo {
		return "", false
	}
	path, _, _ := strings.Cut(target, "#")
	path, _, _ = strings.Cut(path, "?")
	plain, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(plain) || strings.Contains(plain, `\`) || strings.ContainsFunc(plain, unicode.IsControl) {
		return "", false
	}
	segments := strings.Split(plain, "/")[1:]
	if segments[0] == "" && len(segments) > 1 || slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return "", false
	}
	u, err := url.Parse(origin + target)
	if err != nil || u.User != nil || u.Scheme+"://"+u.Host != origin {
		return "", false // can not be: a second opinion
	}
	return origin + target, true
}

// returnTo is the destination that a request names, "" where it names none that
// will do.
func (s *Service) returnTo(given string) string {
	to, _ := returnTo(given, s.cfg.trusted())
	return to
}

// home is where the way leads when nothing else is asked for.
func (s *Service) home() string {
	if len(s.cfg.AppOrigins) > 0 {
		return s.cfg.AppOrigins[0] + "/"
	}
	return s.cfg.Issuer + loginPath
}
