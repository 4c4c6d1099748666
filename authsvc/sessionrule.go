package authsvc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// SchemaError says where a session is not as Config.Rule wants it.
type SchemaError struct {
	At      string // JSON Pointer (RFC 6901) into the session
	Keyword string // of the schema
}

// Error names no value.
func (e *SchemaError) Error() string {
	at := e.At
	if at == "" {
		at = "the session"
	}
	return fmt.Sprintf("%s breaks %q", at, e.Keyword)
}

// allowed asks Config.Rule about a session with such data, in which a field that
// is stored outside the cookie does not count.
func (s *Service) allowed(c *tokens.Claims, data map[string]any) error {
	if s.cfg.Rule == nil {
		return nil
	}
	x := Example{Subject: c.Subject, Audience: c.Audience, Scope: c.Scope, Roles: c.Roles}
	if data != nil {
		inside := map[string]any{}
		for name, value := range data {
			if !slices.Contains(s.cfg.StoredFields, name) {
				inside[name] = value
			}
		}
		raw, err := encodeData(inside)
		if err != nil {
			return err
		}
		x.Data = json.RawMessage(raw)
	}
	err := s.cfg.Rule(x)
	var rule *SchemaError
	if errors.As(err, &rule) && !strings.HasPrefix(rule.At, "/data") { // which its owner can do nothing about
		s.log.Warn("a session is refused for what the service itself says of its user", "at", rule.At, "keyword", rule.Keyword)
	}
	return err
}

func (s *Service) allowedAtLogin(g *grant) error {
	if s.cfg.Rule == nil {
		return nil
	}
	state, err := carriedState(&tokens.Session{Data: g.data, Version: g.version})
	if err != nil {
		return err
	}
	return s.allowed(&g.claims, state.Data)
}
