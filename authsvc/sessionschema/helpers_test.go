package sessionschema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/sessionschema"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// doc is a JSON Schema.
type doc = map[string]any

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parse(t rapid.TB, d any) *sessionschema.Schema {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sessionschema.Parse(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return s
}

// sessions is a closed schema of sessions with such data.
func sessions(data doc) doc {
	return doc{
		"type": "object", "additionalProperties": false, "required": []string{"subject", "audience"},
		"properties": doc{
			"subject":  doc{"type": "string", "maxLength": 36, "pattern": "^[0-9a-f-]*$"},
			"audience": doc{"type": "array", "items": doc{"const": "orders"}, "maxItems": 1},
			"roles":    doc{"type": "array", "maxItems": 4, "items": doc{"type": "string", "maxLength": 12}},
			"scope":    doc{"type": "array", "maxItems": 3, "items": doc{"enum": []string{"orders:read", "orders:write", "openid"}}},
			"data":     data,
		},
	}
}

// duties are roles with long names.
var duties = func() (list []any) {
	for _, place := range []string{"finance", "logistics", "procurement", "research"} {
		for _, thing := range []string{"ledgers", "contracts", "parcels", "vendors"} {
			list = append(list, place+"."+thing+".view", place+"."+thing+".edit")
		}
	}
	return list
}()

// withDuties is a schema of sessions with up to 60 roles of those.
func withDuties(d doc) doc {
	d["properties"].(doc)["roles"] = doc{"type": "array", "maxItems": 60, "items": doc{"enum": duties}}
	return d
}

// someNames is a table with the longer half of those roles, a scope and a short text.
func someNames(t testing.TB) *keys.Names {
	t.Helper()
	list := []string{"orders:read", "x"}
	for _, v := range duties[len(duties)/2:] {
		list = append(list, v.(string))
	}
	names, err := keys.NewNames(list)
	must(t, err)
	return names
}

// drawData draws the schema of an object.
func drawData(t *rapid.T) doc {
	d := drawObject(t, 2)
	d["$defs"] = doc{"name": doc{"type": "string", "maxLength": 9}}
	return d
}

func drawSchema(t *rapid.T, depth int) doc {
	kinds := []string{"text", "pattern", "enum", "const", "integer", "number", "boolean", "null", "format", "ref"}
	if depth > 0 {
		kinds = append(kinds, "array", "object", "map", "named", "any", "set", "row")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "text":
		return doc{"type": "string", "maxLength": rapid.IntRange(0, 40).Draw(t, "maxLength")}
	case "pattern":
		return doc{"type": "string", "maxLength": 30, "pattern": rapid.SampledFrom(slices.Collect(maps.Keys(patterns))).Draw(t, "pattern")}
	case "enum":
		return doc{"enum": rapid.SliceOfN(rapid.SampledFrom([]any{"a", "blue\n", `"x"`, "größe", 7, -1.5, true, nil, 1e20}), 1, 4).Draw(t, "enum")}
	case "const":
		return doc{"const": rapid.SampledFrom([]any{"fixed", 12, []any{1, "b"}, doc{"k": "v"}}).Draw(t, "const")}
	case "integer":
		from := rapid.IntRange(-1000, 1000).Draw(t, "minimum")
		return doc{"type": "integer", "minimum": from, "maximum": from + rapid.IntRange(0, 100_000).Draw(t, "span")}
	case "number":
		return doc{"type": "number", "minimum": -10, "maximum": 10}
	case "boolean":
		return doc{"type": "boolean"}
	case "null":
		return doc{"type": []string{"null", "boolean"}}
	case "format":
		return doc{"type": "string", "format": rapid.SampledFrom([]string{"date", "uuid", "ipv4"}).Draw(t, "format")}
	case "ref":
		return doc{"$ref": "#/properties/data/$defs/name"}
	case "array":
		return doc{"type": "array", "maxItems": rapid.IntRange(0, 5).Draw(t, "maxItems"), "items": drawSchema(t, depth-1)}
	case "set":
		return doc{"type": "array", "uniqueItems": true, "maxItems": rapid.IntRange(0, 5).Draw(t, "maxItems"), "items": doc{"enum": []any{"x", "yy", "zzz", 4}}}
	case "map":
		return doc{"type": "object", "maxProperties": rapid.IntRange(0, 3).Draw(t, "maxProperties"),
			"propertyNames": doc{"minLength": 2, "maxLength": 5}, "additionalProperties": drawSchema(t, depth-1)}
	case "named":
		return doc{"type": "object", "maxProperties": rapid.IntRange(0, 3).Draw(t, "maxProperties"),
			"patternProperties": doc{"^[x-zà-ÿ]{1,2}$": drawSchema(t, depth-1)}, "additionalProperties": false}
	case "row":
		return doc{"type": "array", "uniqueItems": true, "items": false,
			"prefixItems": []any{doc{"type": "boolean"}, doc{"type": "null"}, doc{"enum": []any{"x", "zzzzzzzzz", 4}}}}
	case "any":
		return doc{"anyOf": []any{drawSchema(t, depth-1), drawSchema(t, depth-1)}}
	}
	return drawObject(t, depth-1)
}

func drawObject(t *rapid.T, depth int) doc {
	properties := doc{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "cart", "größe", "theme", "n"}), 0, 4, rapid.ID).Draw(t, "properties") {
		properties[name] = drawSchema(t, depth)
	}
	return doc{"type": "object", "properties": properties, "additionalProperties": false}
}

// patterns, and something that matches each.
var patterns = map[string]func(*rapid.T) string{
	"^[a-z]*$":                   matching("[a-z]{0,30}"),
	"^[A-Z]{3}-[0-9]{1,4}$":      matching("[A-Z]{3}-[0-9]{1,4}"),
	"^(?i:k|ſ)+$":                matching("[kKſsSK]{1,30}"), // U+212A is a k too
	"^(red|green|blue)(,\\d+)?$": matching("(red|green|blue)(,[0-9]{1,20})?"),
	"^.{0,10}$":                  matching("[^\n]{0,10}"),
	"x":                          matching("[a-z]{0,10}x[\x01-\x05]{0,10}"),
}

func matching(expr string) func(*rapid.T) string {
	return func(t *rapid.T) string { return rapid.StringMatching(expr).Draw(t, "matching") }
}

// drawValue draws a value that a schema allows. It looks at the schema as it
// was written, and knows nothing of how the bound is found.
func drawValue(t *rapid.T, d doc) any {
	if values, ok := d["enum"].([]any); ok {
		return rapid.SampledFrom(values).Draw(t, "one of")
	}
	if v, ok := d["const"]; ok {
		return v
	}
	if _, ok := d["$ref"]; ok {
		return drawText(t, 9)
	}
	if parts, ok := d["anyOf"].([]any); ok {
		return drawValue(t, rapid.SampledFrom(parts).Draw(t, "any of").(doc))
	}
	switch d["type"] {
	case "string":
		return drawString(t, d)
	case "integer":
		from, to := d["minimum"].(int), d["maximum"].(int)
		n := rapid.IntRange(from, to).Draw(t, "integer")
		return json.Number(fmt.Sprintf(rapid.SampledFrom([]string{"%d", "%d.0", "%d.000e0"}).Draw(t, "spelling"), n))
	case "number":
		return json.Number(rapid.StringMatching(`-?[0-9]\.[0-9]{1,29}`).Draw(t, "number"))
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "array":
		return drawArray(t, d)
	case "object":
		return drawMembers(t, d)
	}
	return rapid.SampledFrom([]any{nil, true}).Draw(t, "null")
}

func drawString(t *rapid.T, d doc) string {
	if pattern, ok := d["pattern"].(string); ok {
		return patterns[pattern](t)
	}
	switch d["format"] {
	case "date":
		return rapid.StringMatching("20[0-9]{2}-0[1-9]-[0-2][1-8]").Draw(t, "date")
	case "uuid":
		return rapid.StringMatching("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").Draw(t, "uuid")
	case "ipv4":
		return rapid.StringMatching(`(10|192)\.[1-9]\.2[0-4][0-9]\.1`).Draw(t, "ipv4")
	}
	return drawText(t, d["maxLength"].(int))
}

// drawText draws what takes much room as often as not.
func drawText(t *rapid.T, most int) string {
	n := rapid.IntRange(0, most).Draw(t, "length")
	if rapid.Bool().Draw(t, "of one character") {
		return strings.Repeat(rapid.SampledFrom([]string{"\x01", "\u2028", "𝄞", "x"}).Draw(t, "character"), n)
	}
	return rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x01\"\\<\u2028𝄞é"))), n, most, -1).Draw(t, "text")
}

func drawArray(t *rapid.T, d doc) []any {
	if d["prefixItems"] != nil {
		row := []any{rapid.Bool().Draw(t, "boolean"), nil, rapid.SampledFrom([]any{"x", "zzzzzzzzz", 4}).Draw(t, "one of")}
		return row[:rapid.IntRange(0, 3).Draw(t, "items")]
	}
	if d["uniqueItems"] == true {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(d["items"].(doc)["enum"].([]any)), 0, min(4, d["maxItems"].(int)), rapid.ID).Draw(t, "set")
	}
	list := []any{}
	for range rapid.IntRange(0, d["maxItems"].(int)).Draw(t, "items") {
		list = append(list, drawValue(t, d["items"].(doc)))
	}
	return list
}

func drawMembers(t *rapid.T, d doc) doc {
	value := doc{}
	properties, _ := d["properties"].(doc)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if rapid.IntRange(0, 4).Draw(t, "there") > 0 {
			value[name] = drawValue(t, properties[name].(doc))
		}
	}
	if inner, ok := d["patternProperties"].(doc); ok {
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching("[x-zà-ÿ]{1,2}"), 0, d["maxProperties"].(int), rapid.ID).Draw(t, "names") {
			value[name] = drawValue(t, inner["^[x-zà-ÿ]{1,2}$"].(doc))
		}
	}
	if inner, ok := d["additionalProperties"].(doc); ok {
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching("[a-zé]{2,5}"), 0, d["maxProperties"].(int), rapid.ID).Draw(t, "names") {
			value[name] = drawValue(t, inner)
		}
	}
	return value
}

// drawSession draws a session that sessions(data) allows, or withDuties of it.
func drawSession(t *rapid.T, data doc, dutiful bool) authsvc.Example {
	raw, err := json.Marshal(drawMembers(t, data))
	if err != nil {
		t.Fatal(err)
	}
	roles := rapid.SliceOfN(rapid.OneOf(rapid.Just("x"), rapid.StringOfN(rapid.RuneFrom(nil, claimLetters), 1, 12, -1)), 0, 4)
	if dutiful {
		roles = rapid.SliceOfN(rapid.Map(rapid.SampledFrom(duties), func(v any) string { return v.(string) }), 0, 60)
	}
	return authsvc.Example{
		Subject: rapid.StringMatching("[0-9a-f-]{1,36}").Draw(t, "subject"), Audience: []string{"orders"},
		Roles: roles.Draw(t, "roles"),
		Scope: rapid.SliceOfN(rapid.SampledFrom([]string{"orders:read", "orders:write", "openid"}), 0, 3).Draw(t, "scope"),
		Data:  raw,
	}
}

// cookie is the bytes of name and value of the session cookie.
func cookie(r budget.Reply) int { return r.Cookies[0].Size() }

func forecaster(t testing.TB, stored ...string) *authsvc.Forecaster {
	t.Helper()
	return forecasterWith(t, nil, stored...)
}

// forecasterWith makes one whose sealing keys have such a table.
func forecasterWith(t testing.TB, names *keys.Names, stored ...string) *authsvc.Forecaster {
	t.Helper()
	plan := keys.DefaultPlan()
	plan.Names = names
	ring, err := keys.NewRing(plan, keys.ES256, time.Now())
	must(t, err)
	f, err := authsvc.NewForecaster(authsvc.Config{Issuer: "https://auth.example.com", Audiences: []string{"orders"}, StoredFields: stored, Ring: ring})
	must(t, err)
	return f
}

// random are texts as long as those of list, which can not be squeezed much.
func random(list []string) (out []string) {
	n := 0
	for _, s := range list {
		var b strings.Builder
		for range utf8.RuneCountInString(s) {
			n = (n*1_103_515_245 + 12_345) & 0xFFFFFFF
			b.WriteRune(rune(0x10000 + n%0x90000))
		}
		out = append(out, b.String())
	}
	return out
}

// anyOf takes as many of those, in no order that would help to squeeze them.
func anyOf(all []string) func([]string) []string {
	return func(list []string) (out []string) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range list {
			out = append(out, all[rng.IntN(len(all))])
		}
		return out
	}
}
