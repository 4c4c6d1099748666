package budget

// Measure is what a limit counts.
type Measure string

// The measures. Of a reply's cookies and lines, the largest counts.
const (
	CookiePair      Measure = "cookie"           // name and value of one cookie
	CookieAttribute Measure = "cookie-attribute" // value of one attribute of a cookie
	ResponseHead    Measure = "response"         // status line, header lines and blank line of the answer
	ResponseLine    Measure = "response-line"    // one header line of the answer, with its name and its end
	RequestHead     Measure = "request"          // request line, header lines and blank line of a later request
	RequestLine     Measure = "request-line"     // the Cookie line of a later request, with its name and its end
	RequestTexts    Measure = "request-texts"    // target, names and values of a later request, without what stands between
)

// Measures are all of them.
func Measures() []Measure {
	return []Measure{CookiePair, CookieAttribute, ResponseHead, ResponseLine, RequestHead, RequestLine, RequestTexts}
}

// Of counts a head, for the measures that count heads. The name is what was
// counted, for a message.
func (m Measure) Of(h Head) (name string, bytes int) {
	switch m {
	case ResponseHead:
		return "response header", h.Size()
	case ResponseLine:
		return "longest response header line", h.Longest()
	case RequestHead:
		return "request header", h.Size()
	case RequestLine:
		return "Cookie line", h.Longest()
	case RequestTexts:
		return "texts of the request header", h.Texts()
	}
	return "", 0
}

// Count is the head as the limit counts it.
func (l Limit) Count(h Head) (name string, bytes int) {
	name, bytes = l.Measure.Of(h)
	return name, bytes + l.PerLine*h.Lines()
}

func (l Limit) count(r Reply, response, later Head) (name string, bytes int) {
	switch l.Measure {
	case CookiePair:
		return r.largest(Cookie.Size, "cookie")
	case CookieAttribute:
		return r.largest(Cookie.attribute, "attribute of a cookie")
	case ResponseHead, ResponseLine:
		return l.Count(response)
	}
	return l.Count(later)
}

// largest is the cookie that is, by that size.
func (r Reply) largest(size func(Cookie) int, none string) (name string, most int) {
	name = none
	for _, c := range r.Cookies {
		if n := size(c); n > most {
			name, most = c.Name, n
		}
	}
	return name, most
}
