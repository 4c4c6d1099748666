package authsvc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens/budget"
)

// reply is a whole answer, made before any of it is sent.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	cookies []*http.Cookie
	parts   []budget.Part // what the cookies carry; nil where there is nothing to count
}

func newReply(status int) *reply { return &reply{status: status, header: http.Header{}} }

func jsonReply(status int, v any) (*reply, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	r := newReply(status)
	r.header.Set("Content-Type", "application/json")
	r.body = append(body, '\n')
	return r, nil
}

// counted is the reply as it will be sent, under the header lines that every
// answer has.
func (p *reply) counted(base http.Header) budget.Reply {
	b := budget.Reply{
		Status: fmt.Sprintf("%03d %s", p.status, http.StatusText(p.status)),
		Parts:  p.parts,
		Fields: []budget.Field{
			{Name: "Date", Value: http.TimeFormat},
			{Name: "Content-Length", Value: strconv.Itoa(len(p.body))},
		},
	}
	for _, h := range []http.Header{base, p.header} {
		for name, values := range h {
			for _, v := range values {
				b.Fields = append(b.Fields, budget.Field{Name: name, Value: v})
			}
		}
	}
	for _, c := range p.cookies {
		attributes := strings.Split(c.String(), "; ")[1:]
		b.Cookies = append(b.Cookies, budget.Cookie{Name: c.Name, Value: c.Value, Attributes: attributes})
	}
	return b
}

// fits says whether the reply survives the way to the browser.
func (s *front) fits(p *reply, base http.Header) error { return s.limits.Check(p.counted(base)) }

// judge is fits where a session is made or changed by it: the headroom is kept.
func (s *Service) judge(p *reply, base http.Header) error {
	r := p.counted(base)
	readings := s.limits.Read(r)
	s.headroom.note(budget.Tightest(readings).Left())
	return budget.Judge(readings, r.Parts)
}

// write sends the reply.
func (p *reply) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	for _, c := range p.cookies {
		http.SetCookie(w, c)
	}
	if p.status != http.StatusNoContent && p.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(p.body)))
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // a client that has gone needs no answer
}

// finish sends what a handler made: its reply, if that fits, or its error.
func (s *front) finish(w http.ResponseWriter, r *http.Request, p *reply, err error) {
	if err == nil && p.cookies != nil {
		err = s.fits(p, w.Header())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.write(w)
}
