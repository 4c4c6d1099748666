package authsvc

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := decodeData([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// stateOf is the data of a cookie at version 1.
func stateOf(t *testing.T, text string) *dataState {
	t.Helper()
	return &dataState{Version: 1, Floor: 1, Data: object(t, text)}
}

// patched applies a patch by who knows the data at base. It returns the path of
// a conflict.
func (s *dataState) patched(t *testing.T, patch string, base uint32) string {
	t.Helper()
	m := merge{state: s, base: base}
	m.apply(object(t, patch))
	if m.conflict == "" && len(m.changed) > 0 {
		s.commit(m.changed)
	}
	return m.conflict
}

func (s *dataState) text(t *testing.T) string {
	t.Helper()
	b, err := s.json()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The cases of RFC 7396, appendix A, whose patch and target are objects, and
// some of our own.
func TestAPatchIsMergedAsTheRFCSays(t *testing.T) {
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":"foo"}`, `{"a":{"b":null}}`, `{"a":{}}`},
		{`{"a":"foo"}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":1}}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1.50,"b":9007199254740993}`, `{"c":1e2}`, `{"a":1.50,"b":9007199254740993,"c":1e2}`},
		{`{"a":"<&>"}`, `{"b":"ä"}`, `{"a":"<&>","b":"ä"}`},
		{`{"a":{"b":[{"x":1}]}}`, `{"a":{"b":[{"x":null}]}}`, `{"a":{"b":[{"x":null}]}}`},
	} {
		s := stateOf(t, c.target)
		if conflict := s.patched(t, c.patch, 1); conflict != "" || s.text(t) != c.want {
			t.Errorf("%s with %s: %s, conflict %q, want %s", c.target, c.patch, s.text(t), conflict, c.want)
		}
	}
}

func TestWhatHasChangedSinceIsAConflict(t *testing.T) {
	for _, c := range []struct {
		name, target, first, second string
		want                        bool
	}{
		{"other fields", `{"1":"A"}`, `{"2":"B"}`, `{"3":"C"}`, false},
		{"the same field", `{"1":"A"}`, `{"1":"B"}`, `{"1":"C"}`, true},
		{"the same field, alike", `{"1":"A"}`, `{"1":"B"}`, `{"1":"B"}`, false},
		{"a field that is new to both", `{}`, `{"1":"B"}`, `{"1":"C"}`, true},
		{"a field that the other has removed", `{"1":"A"}`, `{"1":null}`, `{"1":"C"}`, true},
		{"removed by both", `{"1":"A"}`, `{"1":null}`, `{"1":null}`, false},
		{"removed, and changed by the other", `{"1":"A"}`, `{"1":"B"}`, `{"1":null}`, true},
		{"other members of an object", `{"c":{"1":"A"}}`, `{"c":{"2":"B"}}`, `{"c":{"3":"C"}}`, false},
		{"an object that both begin", `{}`, `{"c":{"2":"B"}}`, `{"c":{"3":"C"}}`, false},
		{"the same member of an object", `{"c":{"1":"A"}}`, `{"c":{"1":"B"}}`, `{"c":{"1":"C"}}`, true},
		{"all of an object, and a member", `{"c":{"1":"A"}}`, `{"c":{"2":"B"}}`, `{"c":null}`, true},
		{"a member, and all of the object", `{"c":{"1":"A"}}`, `{"c":null}`, `{"c":{"2":"B"}}`, true},
		{"an object in the place of a text", `{"c":"x"}`, `{"c":{"1":"A"}}`, `{"c":"y"}`, true},
		{"names that begin alike", `{}`, `{"ab":1}`, `{"a":1}`, false},
		{"two parts of which one has changed", `{}`, `{"a":1}`, `{"a":2,"b":2}`, true},
	} {
		s := stateOf(t, c.target)
		if conflict := s.patched(t, c.first, 1); conflict != "" || s.Version != 2 {
			t.Fatalf("%s: conflict %q, version %d", c.name, conflict, s.Version)
		}
		if conflict := s.patched(t, c.second, 1); (conflict != "") != c.want {
			t.Errorf("%s: conflict %q, want one: %v", c.name, conflict, c.want)
		}
		if again := s.patched(t, c.first, 1); again != "" && !c.want { // a repetition is no conflict
			t.Errorf("%s: the first one again: conflict %q", c.name, again)
		}
	}
}

func TestOfACookieEveryPartMayBeAsNewAsAll(t *testing.T) {
	s := &dataState{Version: 7, Floor: 7, Data: object(t, `{"a":1}`)}
	for base, want := range map[uint32]bool{7: false, 6: true} {
		if conflict := s.patched(t, `{"a":2}`, base); (conflict != "") != want {
			t.Errorf("known as of %d: conflict %q", base, conflict)
		}
		s = &dataState{Version: 7, Floor: 7, Data: object(t, `{"a":1}`)}
	}
}

// What is forgotten may become a conflict that is none, and no conflict is
// missed: against a state that forgets nothing.
func TestForgettingMissesNoConflict(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s, all := &dataState{}, map[string]uint32{}
	needless := 0
	for range 20_000 {
		name := fmt.Sprint(rng.IntN(400))
		base := s.Version - min(s.Version, uint32(rng.IntN(500)))
		conflict := s.patched(t, fmt.Sprintf(`{%q:%d}`, name, rng.Int64()), base)
		if all[name] > base && conflict == "" {
			t.Fatalf("version %d of %s was overwritten by who knew %d", all[name], name, base)
		}
		if conflict == "" {
			all[name] = s.Version
		} else if all[name] <= base {
			needless++
		}
		if len(s.Changed) > maxChanged {
			t.Fatalf("%d paths are remembered", len(s.Changed))
		}
	}
	if needless == 0 || s.Floor == 0 {
		t.Error("nothing was forgotten: nothing is shown")
	}
}

// Two who change what the other does not touch may do it in either order.
func TestChangesWithoutAConflictCommute(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	tried := 0
	for range 20_000 {
		start, one, two := randomObject(rng, 2), randomObject(rng, 3), randomObject(rng, 3)
		a, b := stateOf(t, start), stateOf(t, start)
		if a.patched(t, one, 1) != "" || b.patched(t, two, 1) != "" {
			t.Fatal("a conflict with nobody")
		}
		if a.patched(t, two, 1) != "" || b.patched(t, one, 1) != "" {
			continue
		}
		tried++
		if !reflect.DeepEqual(a.Data, b.Data) {
			t.Fatalf("%s\n%s\n%s\nbecame %s or %s", start, one, two, a.text(t), b.text(t))
		}
	}
	if tried < 1000 {
		t.Errorf("only %d pairs without a conflict", tried)
	}
}

// randomObject is one of few names, so that two often meet, with nulls in it.
func randomObject(rng *rand.Rand, depth int) string {
	v := map[string]any{}
	for range rng.IntN(3) {
		v[string(rune('a'+rng.IntN(3)))] = randomValue(rng, depth)
	}
	b, _ := encodeData(v)
	return string(b)
}

func randomValue(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(6); {
	case n == 0:
		return nil
	case n < 3 && depth > 0:
		var v map[string]any
		_ = decodeData([]byte(randomObject(rng, depth-1)), &v)
		return maps.Clone(v)
	}
	return rng.IntN(3)
}
