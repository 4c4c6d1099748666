package sessionschema

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

// Largest is the largest session that a schema allows.
type Largest struct {
	// Session has in each of its texts and in its data as many bytes as there can
	// be at most. It may break the schema where that has keywords that are not
	// looked at; Check tells.
	Session authsvc.Example

	// Unbounded are the places, as JSON Pointers into the session, to which the
	// schema sets no bound. If there are any, Session means nothing.
	Unbounded []string
}

// Largest looks at type, enum, const, $ref, allOf, anyOf and oneOf; maxLength,
// pattern (from ^ to $) and the formats date, uuid, ipv4 and ipv6 of texts; maxItems,
// items and prefixItems of arrays; properties, additionalProperties,
// patternProperties, maxProperties and propertyNames of objects; minimum and maximum
// of integers. A number that is no integer counts 32 bytes, the most that any may
// have. Of what no cookie has room for, Session has as much as no cookie has room
// for. A role, scope or audience in names, the table of the sealing keys, counts as
// its code, and any other text as if it could not be squeezed.
func (s *Schema) Largest(names *keys.Names) Largest {
	var l Largest
	left := maxSteps
	claim := func(name string, in terms) extent {
		e := extent{none: true}
		if schema := s.root.Properties[name]; schema != nil {
			e = walk{terms: in, left: &left}.extent(schema, "/"+name)
		} else if !closed(s.root) {
			e = unbounded("/" + name)
		}
		l.Unbounded = append(l.Unbounded, e.open...)
		return e
	}
	x := &l.Session
	x.Subject, _ = claim(subject, claimTerms{}).value.(string)
	x.Audience = claim(audience, claimTerms{names: names}).texts()
	x.Scope = claim(scope, scopeTerms{claimTerms{names: names}}).texts()
	x.Roles = claim(roles, claimTerms{names: names}).texts()
	if e := claim(data, dataTerms{}); l.Unbounded == nil && !e.none {
		x.Data = e.object()
	}
	slices.Sort(l.Unbounded)
	l.Unbounded = slices.Compact(l.Unbounded)
	return l
}

func (e extent) texts() (out []string) {
	list, _ := e.value.([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// object is data of that size. It is the largest value, unless no data is like
// that: it is too deep, say, or the names of two members came out the same.
func (e extent) object() json.RawMessage {
	if object, ok := e.value.(map[string]any); ok {
		plain, err := authsvc.PlainData(encode(object))
		if err == nil && len(plain) == e.size {
			return plain
		}
	}
	switch {
	case e.size <= len(`{}`):
		return json.RawMessage(`{}`)
	case e.size < len(`{"":""}`):
		return json.RawMessage(`{"":0}`)
	}
	return encode(map[string]any{"": strings.Repeat("x", e.size-len(`{"":""}`))})
}

// closed: no member but those that are named.
func closed(s *jsonschema.Schema) bool {
	no, ok := s.AdditionalProperties.(bool)
	return ok && !no && len(s.PatternProperties) == 0
}

// maxSteps is how many parts of a schema are looked at, each as often as it is
// come to by a $ref: more, and what is left is said to have no bound.
const maxSteps = 1 << 16

// enough is more than a cookie has room for, in bytes and in bits, whatever else
// is in it.
const enough = 2 * 8 * maxText

// extent is how large a value can be at most, and one that is as large; or the
// places that make it unbounded.
type extent struct {
	size  int
	value any
	open  []string
	none  bool // no value is allowed
}

func unbounded(at string) extent {
	if at == "" {
		at = "/"
	}
	return extent{open: []string{at}}
}

// walk goes through a schema.
type walk struct {
	terms
	within []*jsonschema.Schema // that it is in, which may lead to themselves
	left   *int                 // steps
}

// extent is the least that any of a schema's keywords allows.
func (w walk) extent(s *jsonschema.Schema, at string) extent {
	if s.Bool != nil {
		if *s.Bool {
			return unbounded(at)
		}
		return extent{none: true}
	}
	if *w.left--; *w.left < 0 || slices.Contains(w.within, s) {
		return unbounded(at)
	}
	w.within = append(slices.Clip(w.within), s)
	var bounds []extent
	if types := w.types(s); types != nil {
		bounds = append(bounds, w.byType(types, s, at))
	}
	if s.Enum != nil {
		bounds = append(bounds, w.oneOf(s.Enum.Values))
	}
	if s.Const != nil {
		bounds = append(bounds, w.oneOf([]any{*s.Const}))
	}
	if s.Ref != nil {
		bounds = append(bounds, w.extent(s.Ref, at))
	}
	for _, part := range s.AllOf {
		bounds = append(bounds, w.extent(part, at))
	}
	for _, parts := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf} {
		if len(parts) > 0 {
			bounds = append(bounds, w.any(parts, at))
		}
	}
	return least(bounds, at)
}

// least is the extent that all of some bounds leave.
func least(bounds []extent, at string) extent {
	if len(bounds) == 0 {
		return unbounded(at) // any type
	}
	return slices.MinFunc(bounds, func(a, b extent) int {
		switch {
		case a.none != b.none:
			return less(a.none)
		case (a.open == nil) != (b.open == nil):
			return less(a.open == nil)
		}
		return a.size - b.size
	})
}

func less(yes bool) int {
	if yes {
		return -1
	}
	return 1
}

// most is the extent of a value that is under one of some bounds.
func most(bounds []extent) extent {
	all := extent{none: true}
	for _, e := range bounds {
		switch {
		case e.none:
		case e.open != nil || all.open != nil:
			all = extent{open: append(slices.Clip(all.open), e.open...)}
		case all.none || e.size > all.size:
			all = e
		}
	}
	return all
}

func (w walk) any(parts []*jsonschema.Schema, at string) extent {
	var bounds []extent
	for _, part := range parts {
		bounds = append(bounds, w.extent(part, at))
	}
	return most(bounds)
}

func (w walk) oneOf(values []any) extent {
	var bounds []extent
	for _, v := range values {
		bounds = append(bounds, extent{size: w.sizeOf(v), value: v})
	}
	return most(bounds)
}

func (w walk) byType(types []string, s *jsonschema.Schema, at string) extent {
	var bounds []extent
	for _, t := range types {
		bounds = append(bounds, w.ofType(t, s, at))
	}
	return most(bounds)
}

func (w walk) ofType(t string, s *jsonschema.Schema, at string) extent {
	switch t {
	case "string":
		return w.text(s, at)
	case "array":
		return w.array(s, at)
	case "object":
		return w.object(s, at)
	case "integer":
		return integer(s)
	case "number":
		return extent{size: maxNumber, value: longNumber(s)}
	case "boolean":
		return extent{size: len("false"), value: false}
	}
	return extent{size: len("null"), value: nil}
}

// array has as many items as it may, each as large as it can be.
func (w walk) array(s *jsonschema.Schema, at string) extent {
	n := -1 // no bound
	if s.MaxItems != nil {
		n = min(*s.MaxItems, w.items())
	}
	fixed, rest := itemsOf(s)
	if rest == nil && (n < 0 || n > len(fixed)) { // nothing after the first
		n = len(fixed)
	}
	if n < 0 {
		return unbounded(at + " (maxItems)")
	}
	list, total := []any{}, 0
	var other *extent // of those after the first, which are alike
	for i := 0; i < n && total <= enough; i++ {
		e, j := extent{}, i-len(fixed)
		switch {
		case j < 0:
			e = w.extent(fixed[i], at+"/"+strconv.Itoa(i))
		case other == nil:
			e = w.extent(rest, at+"/*")
			other = &e
		default:
			e = *other
		}
		if e.open != nil {
			return extent{open: e.open}
		}
		if s.UniqueItems && j >= 0 {
			e = w.another(rest, e, j)
		}
		if e.none {
			break
		}
		total += e.size
		list = append(list, e.value)
	}
	return extent{size: total + w.listSize(len(list)), value: list}
}

// another is the i-th of such items, of which no two are alike.
func (w walk) another(item *jsonschema.Schema, e extent, i int) extent {
	for item.Enum == nil && item.Ref != nil {
		item = item.Ref
	}
	if item.Enum == nil {
		if text, ok := e.value.(string); ok {
			e.value = variant(text, i)
		}
		return e
	}
	values := slices.Clone(item.Enum.Values)
	slices.SortStableFunc(values, func(a, b any) int { return w.sizeOf(b) - w.sizeOf(a) })
	if i >= len(values) {
		return extent{none: true}
	}
	if size := w.sizeOf(values[i]); size < e.size {
		return extent{size: size, value: values[i]}
	}
	return e
}

// itemsOf are the schemas of the first items, and of those after them; nil if
// there can be none.
func itemsOf(s *jsonschema.Schema) (fixed []*jsonschema.Schema, rest *jsonschema.Schema) {
	yes := true
	rest = &jsonschema.Schema{Bool: &yes}
	if s.Items2020 != nil {
		rest = s.Items2020
	}
	fixed = s.PrefixItems
	switch items := s.Items.(type) { // of earlier drafts
	case *jsonschema.Schema:
		rest = items
	case []*jsonschema.Schema:
		fixed = items
		switch more := s.AdditionalItems.(type) {
		case bool:
			rest = &jsonschema.Schema{Bool: &more}
		case *jsonschema.Schema:
			rest = more
		}
	}
	if rest.Bool != nil && !*rest.Bool {
		return fixed, nil
	}
	return fixed, rest
}

// member is a member of an object, at its largest.
type member struct {
	name string
	extent
}

// object has every member that it may, each as large as it can be.
func (w walk) object(s *jsonschema.Schema, at string) extent {
	var members []member
	var open []string
	for name, inner := range s.Properties {
		e := w.extent(inner, at+pointer([]string{name}))
		open = append(open, e.open...)
		if !e.none {
			members = append(members, member{name, e})
		}
	}
	others, more := w.others(s, at)
	members = merged(w, members, others)
	if open = append(open, more...); open != nil {
		return extent{open: open}
	}
	if s.MaxProperties != nil {
		members = members[:min(len(members), *s.MaxProperties)]
	}
	value, total, n := map[string]any{}, 0, 0
	for _, m := range members {
		if total > enough {
			break
		}
		total += w.memberSize(m)
		value[m.name] = m.value
		n++
	}
	return extent{size: total + w.objectSize(n), value: value}
}

// others are the members without a name of their own: as many as there can be,
// each as large as the largest of them. What has no bound is named.
func (w walk) others(s *jsonschema.Schema, at string) (list []member, open []string) {
	at += "/*"
	kinds, ok := unnamed(s)
	if !ok {
		return nil, []string{at + " (additionalProperties)"}
	}
	largest := member{extent: extent{none: true}}
	for _, k := range kinds {
		e := w.extent(k.value, at)
		if e.none {
			continue
		}
		name := walk{nameTerms{}, w.within, w.left}.extent(k.name, at)
		if name.open != nil {
			name.open = []string{at + " (propertyNames)"}
		}
		m := member{"", e}
		m.name, _ = name.value.(string)
		if open = append(open, append(name.open, e.open...)...); !name.none && (largest.none || w.memberSize(m) > w.memberSize(largest)) {
			largest = m
		}
	}
	if open != nil || largest.none {
		return nil, open
	}
	if s.MaxProperties == nil {
		return nil, []string{at + " (maxProperties)"}
	}
	for i := range min(*s.MaxProperties, maxMembers) {
		list = append(list, member{variant(largest.name, i), largest.extent})
	}
	return list, nil
}

// kind are the members of an object that have no name of their own, but a schema
// of their names.
type kind struct{ name, value *jsonschema.Schema }

// unnamed are the kinds of members beside those with a name; false if they can
// be anything.
func unnamed(s *jsonschema.Schema) (kinds []kind, ok bool) {
	var all []*jsonschema.Schema
	if s.PropertyNames != nil {
		all = append(all, s.PropertyNames)
	}
	for re, inner := range s.PatternProperties {
		names := append(slices.Clip(all), &jsonschema.Schema{Pattern: re})
		kinds = append(kinds, kind{&jsonschema.Schema{AllOf: names}, inner})
	}
	switch inner := s.AdditionalProperties.(type) {
	case *jsonschema.Schema:
		return append(kinds, kind{&jsonschema.Schema{AllOf: all}, inner}), true
	case bool:
		return kinds, !inner
	}
	return nil, false
}

// merged are the members by size, the largest first.
func merged(w walk, a, b []member) []member {
	all := append(a, b...)
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(w.memberSize(b)-w.memberSize(a), strings.Compare(a.name, b.name))
	})
	return all
}
