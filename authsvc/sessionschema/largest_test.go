package sessionschema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/budget"
)

var claimLetters = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 'a', Hi: 'z', Stride: 1}, {Lo: 0x400, Hi: 0x44F, Stride: 1}}, R32: []unicode.Range32{{Lo: 0x1F600, Hi: 0x1F64F, Stride: 1}}}

// No session of a schema takes a byte more than what the schema was said to
// allow. SEALRING_FULL=1: 100,000 sessions of 1,000 schemas.
func TestNoSessionIsLargerThanTheLargestOfItsSchema(t *testing.T) {
	plain, coded := forecaster(t), forecasterWith(t, someNames(t))
	each := 20
	if os.Getenv("SEALRING_FULL") != "" {
		each = 1000
	}
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		data, f, described := drawData(t), plain, sessions
		if rapid.Bool().Draw(t, "table") {
			f = coded
		}
		dutiful := rapid.Bool().Draw(t, "duties")
		if dutiful {
			described = func(d doc) doc { return withDuties(sessions(d)) }
		}
		s := parse(t, described(data))
		l := s.Largest(f.Names())
		if l.Unbounded != nil {
			t.Fatalf("no bound: %v", l.Unbounded)
		}
		bound, err := f.Longest(l.Session)
		if err != nil {
			t.Skip("nothing can be said of what can not be sealed")
		}
		limits, _ := budget.Find(budget.Portable)
		most := limits.Read(bound)
		for range each {
			x := drawSession(t, data, dutiful)
			if err := s.Check(x); err != nil {
				t.Fatalf("%+v: %v", x, err)
			}
			got, err := f.Login(x)
			if err != nil {
				t.Fatalf("%s: %v", x.Data, err)
			}
			count++
			for i, r := range limits.Read(got) {
				if r.Bytes > most[i].Bytes {
					t.Fatalf("%s is %d bytes, at most %d were said; data %s, the largest %s", r.What, r.Bytes, most[i].Bytes, x.Data, l.Session.Data)
				}
			}
		}
	})
	t.Logf("%d sessions", count)
}

// The bound is no more than a tenth above the answer to a login that there is.
// The data counts to the byte, and so do roles for which there is a table. Other
// texts of claims count as if they could not be squeezed: that shows in the cookie
// where there is little data, and most where the roles are those of an enum.
func TestTheLargestOfASchemaIsNearlyReached(t *testing.T) {
	var all []string
	for _, v := range duties {
		all = append(all, v.(string))
	}
	table, err := keys.NewNames(all)
	must(t, err)
	for name, c := range map[string]struct {
		forecaster *authsvc.Forecaster
		described  func(doc) doc
		roles      func([]string) []string
		most       float64 // that an answer may be below the bound
	}{
		"roles that can be anything":             {forecaster(t), sessions, random, 0.10},
		"roles of an enum, which are in a table": {forecasterWith(t, table), func(d doc) doc { return withDuties(sessions(d)) }, anyOf(all), 0.10},
		"roles of an enum, without a table":      {forecaster(t), func(d doc) doc { return withDuties(sessions(d)) }, anyOf(all), 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			answers, cookies, found, missed := 0.0, 0.0, 0, 0
			rapid.Check(t, func(t *rapid.T) {
				s := parse(t, c.described(drawData(t)))
				l := s.Largest(c.forecaster.Names())
				bound, err := c.forecaster.Longest(l.Session)
				if err != nil {
					t.Skip("too large to be sealed")
				}
				x := l.Session
				x.Roles = c.roles(x.Roles)
				if s.Check(x) != nil {
					missed++ // a pattern, or items that must differ
					return
				}
				got, err := c.forecaster.Login(x)
				if err != nil {
					t.Fatal(err)
				}
				found++
				if said, is := part(bound.Parts, "data"), part(got.Parts, "data"); said != is {
					t.Fatalf("%d bytes of data were said, this session has %d: %s", said, is, x.Data)
				}
				cookies = max(cookies, over(cookie(bound), cookie(got)))
				answers = max(answers, over(bound.Response().Size(), got.Response().Size()))
				if answers > c.most {
					t.Fatalf("%d bytes were said, this answer has %d: %s", bound.Response().Size(), got.Response().Size(), x.Data)
				}
			})
			t.Logf("above what there is: answers up to %.1f %%, their cookies %.1f %%, in %d schemas; for %d no session was made", 100*answers, 100*cookies, found, missed)
			if missed > found {
				t.Error("for most schemas no session was made")
			}
		})
	}
}

func TestATextThatTheTableHasIsNotTakenForTheLargest(t *testing.T) {
	d := sessions(doc{"type": "object", "additionalProperties": false})
	d["properties"].(doc)["roles"] = doc{"type": "array", "maxItems": 2, "items": doc{"type": "string", "pattern": "^[a-z]$"}}
	names, err := keys.NewNames([]string{"a", "z", "b"})
	must(t, err)
	for _, role := range parse(t, d).Largest(names).Session.Roles {
		if _, known := names.Find(role); known || len(role) != 1 {
			t.Errorf("%q", role)
		}
	}
}

func over(said, is int) float64 { return float64(said)/float64(is) - 1 }

func part(parts []budget.Part, name string) int {
	return parts[slices.IndexFunc(parts, func(p budget.Part) bool { return p.Name == name })].Bytes
}

func TestWhatHasNoBoundIsNamed(t *testing.T) {
	closed := func(properties doc) doc {
		return doc{"type": "object", "additionalProperties": false, "properties": properties}
	}
	for name, c := range map[string]struct {
		data doc
		want []string
	}{
		"a text":                      {closed(doc{"a": doc{"type": "string"}}), []string{"/data/a (maxLength)"}},
		"a pattern without an end":    {closed(doc{"a": doc{"type": "string", "pattern": "^[a-z]+$"}}), []string{"/data/a (maxLength)"}},
		"a pattern within":            {closed(doc{"a": doc{"type": "string", "pattern": "[a-z]"}}), []string{"/data/a (maxLength)"}},
		"an array":                    {closed(doc{"a": doc{"type": "array", "items": doc{"type": "null"}}}), []string{"/data/a (maxItems)"}},
		"items of any kind":           {closed(doc{"a": doc{"type": "array", "maxItems": 2}}), []string{"/data/a/*"}},
		"an open object":              {doc{"type": "object"}, []string{"/data/* (additionalProperties)"}},
		"names without a bound":       {doc{"type": "object", "maxProperties": 2, "additionalProperties": doc{"type": "null"}}, []string{"/data/* (propertyNames)"}},
		"members without a bound":     {doc{"type": "object", "propertyNames": doc{"maxLength": 2}, "additionalProperties": doc{"type": "null"}}, []string{"/data/* (maxProperties)"}},
		"members of any size":         {doc{"type": "object", "maxProperties": 2, "propertyNames": doc{"maxLength": 2}, "additionalProperties": doc{"type": "string"}}, []string{"/data/* (maxLength)"}},
		"names by a pattern":          {doc{"type": "object", "additionalProperties": false, "patternProperties": doc{"^x": doc{"type": "null"}}, "maxProperties": 2}, []string{"/data/* (propertyNames)"}},
		"members by a pattern":        {doc{"type": "object", "additionalProperties": false, "patternProperties": doc{"^x$": doc{"type": "null"}}}, []string{"/data/* (maxProperties)"}},
		"more than is looked at":      {doc{"type": "object", "additionalProperties": false, "$defs": doublings(40), "properties": doc{"a": doc{"$ref": "#/properties/data/$defs/d40"}}}, []string{"/data/a"}},
		"any type":                    {closed(doc{"a~/b": doc{"maxLength": 3}}), []string{"/data/a~0~1b"}},
		"anything":                    {closed(doc{"a": true}), []string{"/data/a"}},
		"one of several":              {closed(doc{"a": doc{"anyOf": []any{doc{"type": "string"}, doc{"type": "null"}}}}), []string{"/data/a (maxLength)"}},
		"itself within":               {closed(doc{"a": doc{"$ref": "#/properties/data"}}), []string{"/data/a"}},
		"a format that is any length": {closed(doc{"a": doc{"type": "string", "format": "email"}}), []string{"/data/a (maxLength)"}},
		"several": {closed(doc{"b": doc{"type": "string"}, "a": doc{"type": "object"}}),
			[]string{"/data/a/* (additionalProperties)", "/data/b (maxLength)"}},
	} {
		if got := parse(t, sessions(c.data)).Largest(nil).Unbounded; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	open := sessions(closed(doc{}))
	open["additionalProperties"] = true
	delete(open["properties"].(doc), "roles")
	if got := parse(t, open).Largest(nil).Unbounded; !slices.Equal(got, []string{"/roles"}) {
		t.Errorf("roles that are not described: %q", got)
	}
}

func TestTheLargestDataOfASchema(t *testing.T) {
	name := doc{"type": "string", "maxLength": 3}
	for want, data := range map[string]doc{
		`{"a":"` + strings.Repeat(`\u0001`, 3) + `"}`: {"properties": doc{"a": name}},
		`{"a":"zzz"}`:                 {"properties": doc{"a": doc{"type": "string", "maxLength": 3, "pattern": "^[a-z]*$"}}},
		`{"a":"Z-999"}`:               {"properties": doc{"a": doc{"type": "string", "pattern": "^[A-Z]-[0-9]{1,3}$"}}},
		`{"a":"green"}`:               {"properties": doc{"a": doc{"type": "string", "pattern": "^(red|green|blue)$"}}},
		`{"a":"2026-12-31"}`:          {"properties": doc{"a": doc{"type": "string", "format": "date"}}},
		`{"a":-100}`:                  {"properties": doc{"a": doc{"type": "integer", "minimum": -100, "maximum": 100}}},
		`{"a":11}`:                    {"properties": doc{"a": doc{"type": "integer", "exclusiveMinimum": 8.5, "maximum": 11.5}}},
		`{"a":false}`:                 {"properties": doc{"a": doc{"type": []string{"boolean", "null"}}}},
		`{"a":["yy","x"]}`:            {"properties": doc{"a": doc{"type": "array", "uniqueItems": true, "maxItems": 9, "items": doc{"enum": []string{"x", "yy"}}}}},
		`{"a":["yy","yy","yy"]}`:      {"properties": doc{"a": doc{"type": "array", "maxItems": 3, "items": doc{"enum": []string{"x", "yy"}}}}},
		`{"a":[false,7]}`:             {"properties": doc{"a": doc{"type": "array", "prefixItems": []any{doc{"type": "boolean"}, doc{"const": 7}}, "items": false}}},
		`{"bb":false}`:                {"properties": doc{"a": doc{"const": 1}, "bb": doc{"type": "boolean"}}, "maxProperties": 1},
		`{"a":"\u0001\u0001"}`:        {"properties": doc{"a": doc{"allOf": []any{name, doc{"type": "string", "maxLength": 2}}}}},
		`{"a":"\u0001\u0001\u0001"}`:  {"properties": doc{"a": doc{"oneOf": []any{name, doc{"type": "null"}}}}},
		`{}`:                          {"properties": doc{"a": false}},
		`{"a":100000000000000000000}`: {"properties": doc{"a": doc{"enum": []any{1e20, 5}}}},
		`{"a":"255.255.255.255"}`:     {"properties": doc{"a": doc{"type": "string", "format": "ipv4", "maxLength": 99}}},
		`{"a":[false,null,"yyyyyy"]}`: {"properties": doc{"a": doc{"type": "array", "uniqueItems": true, "maxItems": 3, "prefixItems": []any{doc{"type": "boolean"}, doc{"type": "null"}}, "items": doc{"enum": []string{"yyyyyy", "x"}}}}},
		`{"a":[false,"yy","yyyyyy"]}`: {"properties": doc{"a": doc{"type": "array", "uniqueItems": true, "prefixItems": []any{doc{"type": "boolean"}, doc{"enum": []string{"yy", "x"}}, doc{"enum": []string{"yyyyyy", "x"}}}, "items": false}}},
		`{"xy":5}`:                    {"patternProperties": doc{"^x[a-y]$": doc{"const": 5}, "^_": false}, "maxProperties": 1},
		`{"":"xxxxxxxxxxxxxxx"}`:      {"patternProperties": doc{"^[à-ÿ]$": doc{"const": 5}}, "maxProperties": 3, "x": "three names of two bytes"},
		`{"` + "\U0010ffff" + `":1,"` + "\U0010fffe" + `":1}`: {"additionalProperties": doc{"const": 1}, "propertyNames": doc{"maxLength": 1}, "maxProperties": 2},
	} {
		data["type"] = "object"
		if data["additionalProperties"] == nil {
			data["additionalProperties"] = false
		}
		l := parse(t, sessions(data)).Largest(nil)
		var got, wanted any
		if l.Unbounded != nil {
			t.Errorf("%s: no bound for %q", want, l.Unbounded)
			continue
		}
		must(t, json.Unmarshal(l.Session.Data, &got))
		must(t, json.Unmarshal([]byte(want), &wanted))
		if len(l.Session.Data) != len(want) {
			t.Errorf("%s is the largest, want %s", l.Session.Data, want)
		}
	}
}

// doublings are schemas, each of which is twice in the next.
func doublings(n int) doc {
	defs := doc{"d0": doc{"type": "string", "maxLength": 3}}
	for i := range n {
		half := doc{"$ref": fmt.Sprintf("#/properties/data/$defs/d%d", i)}
		defs[fmt.Sprintf("d%d", i+1)] = doc{"anyOf": []any{half, half}}
	}
	return defs
}

// What is too large for any cookie is not made in full, and is too large all the same.
func TestAHugeSchemaIsOverQuickly(t *testing.T) {
	f := forecaster(t)
	deep := doc{"type": "null"}
	for range 12 {
		deep = doc{"type": "object", "additionalProperties": false, "properties": doc{
			"a": doc{"type": "array", "maxItems": 1_000_000_000, "items": deep}, "b": doc{"type": "string", "maxLength": 1_000_000_000}}}
	}
	l := parse(t, sessions(deep)).Largest(nil)
	if l.Unbounded != nil || len(l.Session.Data) > 1<<20 {
		t.Errorf("%d bytes, no bound: %q", len(l.Session.Data), l.Unbounded)
	}
	if _, err := f.Longest(l.Session); !errors.Is(err, authsvc.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := f.Longest(parse(t, sessions(doc{"type": "object", "additionalProperties": false, "properties": doc{
		"a": doc{"type": "array", "maxItems": 2000, "items": doc{"type": "integer", "minimum": 0, "maximum": 9}}}})).Largest(nil).Session); err != nil {
		t.Errorf("more values than data may have, of 2 kB: %v", err)
	}
}

func TestASchemaWhoseSubjectIsNoTextIsNoPanic(t *testing.T) {
	s := sessions(doc{"type": []string{"object", "null"}, "additionalProperties": false})
	s["properties"].(doc)["subject"] = doc{"type": "array", "maxItems": 0}
	if l := parse(t, s).Largest(nil); l.Session.Subject != "" || len(l.Session.Data) < len(`{}`) {
		t.Errorf("%+v", l)
	}
}

func TestAStoredFieldCountsAsItsPointer(t *testing.T) {
	data := doc{"type": "object", "additionalProperties": false, "properties": doc{"theme": doc{"enum": []string{"light", "dark"}}}}
	x := parse(t, sessions(data)).Largest(nil).Session
	without, err := forecaster(t).Longest(x)
	must(t, err)
	with, err := forecaster(t, "cart").Longest(x)
	must(t, err)
	// ,"cart":{"bytes":65536,"version":4294967295} in base64
	if more := cookie(with) - cookie(without); more < 58 || more > 61 {
		t.Errorf("%d bytes more", more)
	}
}

func TestASessionThatBreaksItsSchemaIsToldWhere(t *testing.T) {
	s := parse(t, sessions(doc{"type": "object", "additionalProperties": false, "properties": doc{
		"cart": doc{"type": "array", "maxItems": 2, "items": doc{"type": "string", "maxLength": 3}},
	}}))
	ok := authsvc.Example{Subject: "0a", Audience: []string{"orders"}, Roles: []string{"admin"}, Data: json.RawMessage(`{"cart":["a"]}`)}
	if err := s.Check(ok); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change      func(*authsvc.Example)
		at, keyword string
	}{
		"data of another kind":  {func(x *authsvc.Example) { x.Data = json.RawMessage(`{"cart":7}`) }, "/data/cart", "type"},
		"too many items":        {func(x *authsvc.Example) { x.Data = json.RawMessage(`{"cart":["a","b","c"]}`) }, "/data/cart", "maxItems"},
		"too long a text":       {func(x *authsvc.Example) { x.Data = json.RawMessage(`{"cart":["secret"]}`) }, "/data/cart/0", "maxLength"},
		"a field that is not":   {func(x *authsvc.Example) { x.Data = json.RawMessage(`{"more":1}`) }, "/data", "additionalProperties"},
		"too many roles":        {func(x *authsvc.Example) { x.Roles = make([]string, 5) }, "/roles", "maxItems"},
		"a subject of its own":  {func(x *authsvc.Example) { x.Subject = "ANN" }, "/subject", "pattern"},
		"a scope that is not":   {func(x *authsvc.Example) { x.Scope = []string{"x"} }, "/scope/0", "enum"},
		"an audience of others": {func(x *authsvc.Example) { x.Audience = []string{"billing"} }, "/audience/0", "const"},
	} {
		x := ok
		c.change(&x)
		var broken *authsvc.SchemaError
		if err := s.Check(x); !errors.As(err, &broken) || broken.At != c.at || broken.Keyword != c.keyword {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has the value", name)
		}
	}
}
