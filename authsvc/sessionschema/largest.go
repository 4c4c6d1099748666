package sessionschema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealring-dev/sealring/authsvc"
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
// items and prefixItems of arrays; properties, additionalProperties, maxProperties
// and propertyNames of objects; minimum and maximum of integers. A number that is
// no integer counts 32 bytes, the most that any may have.
func (s *Schema) Largest() Largest {
	var l Largest
	claim := func(name string, in terms) []any {
		schema := s.root.Properties[name]
		if schema == nil {
			if !closed(s.root) {
				l.Unbounded = append(l.Unbounded, "/"+name)
			}
			return nil
		}
		e := walk{terms: in}.extent(schema, "/"+name)
		l.Unbounded = append(l.Unbounded, e.open...)
		if list, ok := e.value.([]any); ok {
			return list
		}
		return []any{e.value}
	}
	x := &l.Session
	x.Subject, _ = claim(subject, claimTerms{})[0].(string)
	x.Audience = strs(claim(audience, claimTerms{}))
	x.Scope = strs(claim(scope, scopeTerms{}))
	x.Roles = strs(claim(roles, claimTerms{}))
	if value := claim(data, dataTerms{}); len(l.Unbounded) == 0 && len(value) == 1 {
		if object, ok := value[0].(map[string]any); ok {
			x.Data = encode(object)
		}
	}
	slices.Sort(l.Unbounded)
	return l
}

func strs(values []any) (out []string) {
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// closed: no member but those that are named.
func closed(s *jsonschema.Schema) bool {
	no, ok := s.AdditionalProperties.(bool)
	return ok && !no
}

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
}

// extent is the least that any of a schema's keywords allows.
func (w walk) extent(s *jsonschema.Schema, at string) extent {
	if s.Bool != nil {
		if *s.Bool {
			return unbounded(at)
		}
		return extent{none: true}
	}
	if slices.Contains(w.within, s) {
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
	all := extent{size: w.listSize(0), value: []any{}}
	list := []any{}
	total := 0
	for i := range n {
		item := rest
		if i < len(fixed) {
			item = fixed[i]
		}
		e := w.extent(item, at+"/"+digits(i, len(fixed)))
		if e.none {
			break
		}
		if e.open != nil {
			return extent{open: e.open}
		}
		if s.UniqueItems {
			if e = w.another(item, e, i); e.none {
				break
			}
		}
		total += e.size
		list = append(list, e.value)
	}
	all.size, all.value = total+w.listSize(len(list)), list
	return all
}

// another is the i-th value of an array in which no two are alike.
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

// digits names an item; those after the first are alike.
func digits(i, fixed int) string {
	if i < fixed {
		return strconv.Itoa(i)
	}
	return "*"
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
	slices.SortFunc(members, func(a, b member) int {
		if d := w.memberSize(b) - w.memberSize(a); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	if !closed(s) {
		others, ok := w.others(s, at)
		if !ok {
			open = append(open, at+"/* (additionalProperties)")
		}
		members = merged(w, members, others)
	}
	if open != nil {
		return extent{open: open}
	}
	if s.MaxProperties != nil {
		members = members[:min(len(members), *s.MaxProperties)]
	}
	all := extent{size: w.objectSize(len(members))}
	value := map[string]any{}
	for _, m := range members {
		all.size += w.memberSize(m)
		value[m.name] = m.value
	}
	all.value = value
	return all
}

// others are the members without a name of their own, as many as there can be.
func (w walk) others(s *jsonschema.Schema, at string) ([]member, bool) {
	inner, ok := s.AdditionalProperties.(*jsonschema.Schema)
	if !ok || s.MaxProperties == nil || s.PropertyNames == nil || len(s.PatternProperties) > 0 {
		return nil, false
	}
	e := w.extent(inner, at+"/*")
	name := walk{nameTerms{}, w.within}.extent(s.PropertyNames, at+"/*")
	if name.open != nil || e.open != nil {
		return nil, false
	}
	longest, ok := name.value.(string)
	if !ok || e.none {
		return nil, ok
	}
	var list []member
	for i := range min(*s.MaxProperties, maxMembers) {
		list = append(list, member{variant(longest, i), e})
	}
	return list, true
}

// merged are the members by size, the largest first.
func merged(w walk, a, b []member) []member {
	all := append(a, b...)
	slices.SortStableFunc(all, func(a, b member) int { return w.memberSize(b) - w.memberSize(a) })
	return all
}
