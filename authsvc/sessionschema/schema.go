// Package sessionschema holds sessions to a JSON Schema that the operator has
// written, and says how large the largest session is that it allows.
//
// What is described is a session as GET /v1/session answers it, of which these
// members count: subject, audience, scope, roles and data. Fields of the data that are
// stored outside the cookie are not in it.
//
// The schema is of JSON Schema 2020-12, or of the draft that it names, and stands
// by itself: a $ref leads to a place in the same file. A format is demanded and
// not just noted. Every keyword holds for what is let in. For the largest session
// only some are looked at (see Largest): since a keyword can do nothing but
// restrict, one that is not looked at makes the answer larger than need be, and
// never smaller.
package sessionschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealring-dev/sealring/authsvc"
)

// Schema is a schema of sessions.
type Schema struct{ root *jsonschema.Schema }

// The members of a session that a schema describes.
const (
	subject  = "subject"
	audience = "audience"
	scope    = "scope"
	roles    = "roles"
	data     = "data"
)

const location = "session.schema.json"

// ErrSchema is returned by Parse for what is no schema of sessions.
var ErrSchema = errors.New("not a schema of sessions")

// Parse reads a schema. Errors wrap ErrSchema.
func Parse(raw []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nowhere{})
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	root, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, reason(err))
	}
	for _, name := range [...]string{subject, audience} { // every session has them
		if root.Properties[name] == nil {
			return nil, fmt.Errorf("%w: its properties have no %s", ErrSchema, name)
		}
	}
	return &Schema{root}, nil
}

// nowhere is where no other schema is found.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s: only this file is read", url)
}

// reason is what is wrong with a schema, without where it was read from.
func reason(err error) error {
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		var cause *jsonschema.ValidationError
		if errors.As(invalid.Err, &cause) {
			return violation(cause)
		}
	}
	return err
}

// Check says whether a session may be begun, or be changed to be like that. Its
// error is an *authsvc.SchemaError.
func (s *Schema) Check(x authsvc.Example) error {
	v := map[string]any{subject: x.Subject, audience: texts(x.Audience)}
	if len(x.Scope) > 0 {
		v[scope] = texts(x.Scope)
	}
	if len(x.Roles) > 0 {
		v[roles] = texts(x.Roles)
	}
	if x.Data != nil {
		d := json.NewDecoder(bytes.NewReader(x.Data))
		d.UseNumber()
		var inner any
		if err := d.Decode(&inner); err != nil {
			return &authsvc.SchemaError{At: "/" + data, Keyword: "type"}
		}
		v[data] = inner
	}
	var invalid *jsonschema.ValidationError
	if err := s.root.Validate(v); errors.As(err, &invalid) {
		return violation(invalid)
	} else if err != nil {
		return fmt.Errorf("checking a session: %w", err)
	}
	return nil
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// violation is the first place that breaks a keyword, as deep as there is one.
// It has nothing of the value.
func violation(e *jsonschema.ValidationError) *authsvc.SchemaError {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	keyword := e.ErrorKind.KeywordPath()
	v := &authsvc.SchemaError{At: pointer(e.InstanceLocation)}
	if len(keyword) > 0 {
		v.Keyword = keyword[len(keyword)-1]
	}
	return v
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is a JSON Pointer (RFC 6901).
func pointer(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("/" + escape.Replace(name))
	}
	return b.String()
}
