package authsvc

import (
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

// How a browser is sent on from a form or a navigation: 303, so that it asks for
// what comes next with GET, whatever came before.

// to is a redirect with the cookies of p.
func (p *reply) to(location string) *reply {
	next := newReply(http.StatusSeeOther)
	next.header.Set("Location", location)
	next.cookies, next.parts = p.cookies, p.parts
	return next
}

// shortest leads to the first of the locations that proxies take in a header,
// beside the cookies of p, and to the last one if they take none.
func (s *Service) shortest(p *reply, base http.Header, locations ...string) *reply {
	last := len(locations) - 1
	for _, location := range locations[:last] {
		if next := p.to(location); location != "" && s.fits(next, base) == nil {
			return next
		}
	}
	return p.to(locations[last])
}

// sendOn leads to a destination, "" for none.
func (s *Service) sendOn(p *reply, base http.Header, to string) *reply {
	return s.shortest(p, base, to, s.home())
}

// sendTo leads to a page of ours, which knows the destination.
func (s *Service) sendTo(p *reply, base http.Header, page, to string, query ...string) *reply {
	return s.shortest(p, base, s.pageURL(page, append(query, "return_to", to)...), s.pageURL(page, query...))
}

// pageURL is the address of a page, with its parameters; those without a value
// are left out.
func (s *Service) pageURL(page string, query ...string) string {
	q := url.Values{}
	for pair := range slices.Chunk(query, 2) {
		if pair[1] != "" {
			q.Set(pair[0], pair[1])
		}
	}
	if len(q) == 0 {
		return s.cfg.Issuer + page
	}
	return s.cfg.Issuer + page + "?" + q.Encode()
}

// pageForm reads the form of a page: of these fields each once at most, and no
// other.
func pageForm(r *http.Request, names ...string) (url.Values, error) {
	data, err := readBody(r, "application/x-www-form-urlencoded")
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for name, values := range form {
		if !slices.Contains(names, name) || len(values) > 1 {
			return nil, invalidField(name, "is unknown or there twice")
		}
		if !utf8.ValidString(values[0]) {
			return nil, invalidField(name, "is not UTF-8")
		}
	}
	return form, nil
}
