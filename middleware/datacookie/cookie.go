package datacookie

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// What is sealed: version byte 1; the session id; when it was written, in eight
// bytes of Unix milliseconds; the group's name, as one byte of length and the
// text; the value, as JSON. Session and name bind it to its place.

const version = 1

// open returns the value of a cookie and its JSON, or that of a value which was
// never set.
func (g *Group[T]) open(sid tokens.ID, raw string) (value T, content []byte, err error) {
	if raw != "" {
		if content, err = g.unseal(sid, raw); err != nil {
			return value, nil, err
		}
	}
	if content == nil {
		content, err = json.Marshal(value)
		return value, content, err
	}
	if err := json.Unmarshal(content, &value); err != nil {
		return value, nil, fmt.Errorf("datacookie: %s: %w", g.cfg.Name, err)
	}
	return value, content, nil
}

// unseal returns the JSON in a cookie, nil if it is none of this group and
// session, or too old.
func (g *Group[T]) unseal(sid tokens.ID, raw string) ([]byte, error) {
	now := g.now()
	plain, err := tokens.Open(tokens.TypData, raw, g.cfg.Ring(), now)
	switch {
	case errors.Is(err, keys.ErrUnavailable):
		return nil, fmt.Errorf("datacookie: %s: %w", g.cfg.Name, err)
	case err != nil:
		return nil, nil
	}
	rest, ok := bytes.CutPrefix(plain, append([]byte{version}, sid[:]...))
	if !ok || len(rest) < 8 {
		return nil, nil
	}
	written := time.UnixMilli(int64(binary.BigEndian.Uint64(rest)))
	if now.Sub(written) >= g.cfg.MaxAge {
		return nil, nil
	}
	content, ok := bytes.CutPrefix(rest[8:], g.label())
	if !ok {
		return nil, nil
	}
	return content, nil
}

func (g *Group[T]) label() []byte { return append([]byte{byte(len(g.cfg.Name))}, g.cfg.Name...) }

// set seals the value and sets the cookie.
func (g *Group[T]) set(w http.ResponseWriter, sid tokens.ID, content []byte) error {
	now := g.now()
	key, err := g.cfg.Ring().Current(keys.RefreshToken, now)
	if err != nil {
		return fmt.Errorf("datacookie: %s: %w", g.cfg.Name, err)
	}
	plain := binary.BigEndian.AppendUint64(append([]byte{version}, sid[:]...), uint64(now.UnixMilli()))
	plain = append(append(plain, g.label()...), content...)
	raw, err := tokens.Seal(tokens.TypData, plain, key)
	if err != nil {
		return fmt.Errorf("datacookie: %s: %w", g.cfg.Name, err)
	}
	c := g.cookie(raw)
	if err := fits(c, len(content)); err != nil {
		return fmt.Errorf("datacookie: %w", err)
	}
	g.put(w.Header(), c)
	return nil
}

// fits says whether browsers keep the cookie.
func fits(c *http.Cookie, content int) error {
	browsers, err := budget.Find("browsers")
	if err != nil {
		return err
	}
	return browsers.Check(budget.Reply{
		Cookies: []budget.Cookie{{Name: c.Name, Value: c.Value}},
		Parts:   []budget.Part{{Name: c.Name, Bytes: content}},
	})
}

func (g *Group[T]) name() string { return "__Host-" + g.cfg.Name }

func (g *Group[T]) cookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: g.name(), Value: value, Path: "/", MaxAge: int(g.cfg.MaxAge / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// came is the cookie of the request; "" if there is none, or more than one.
func (g *Group[T]) came(r *http.Request) string {
	if found := r.CookiesNamed(g.name()); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

// pending is the cookie that the answer sets already.
func (g *Group[T]) pending(h http.Header) (raw string, set bool) {
	for _, line := range h["Set-Cookie"] {
		if rest, ok := strings.CutPrefix(line, g.name()+"="); ok {
			raw, _, _ = strings.Cut(rest, ";")
			return raw, true
		}
	}
	return "", false
}

// put sets the cookie, in place of what the answer sets already.
func (g *Group[T]) put(h http.Header, c *http.Cookie) {
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, c.Name+"=")
	}), c.String())
}
