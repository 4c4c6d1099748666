package authsvc

import (
	"maps"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// Fields that Config.StoredFields names do not fit into a cookie, or are not
// worth their way with each request. They are in the store, each in a cell of its own, and
// in the data is a pointer in their place: its size and version. Only who
// asks for one loads it.

// maxField is how long the JSON of a stored field may be.
const maxField = 64 << 10

// fieldPointer is what stands in the place of a stored field. It says nothing to
// the service itself, which goes by dataState.Stored.
func fieldPointer(bytes int, version uint32) map[string]any {
	return map[string]any{"bytes": bytes, "version": version}
}

// outside are the fields among names whose value is in the store, or is to be.
func (s *Service) outside(v *dataView, names []string) (out []string) {
	for _, name := range names {
		if slices.Contains(v.state.Stored, name) || slices.Contains(s.cfg.StoredFields, name) {
			out = append(out, name)
		}
	}
	return out
}

// unfold puts the values of stored fields back into their places, for a change.
func (v *dataView) unfold(names []string) error {
	for _, name := range names {
		if !slices.Contains(v.state.Stored, name) {
			continue
		}
		content, there := v.cells[name]
		if !there { // the store has lost it
			delete(v.state.Data, name)
			continue
		}
		var value any
		if err := decodeData(content, &value); err != nil {
			return err
		}
		v.state.Data[name] = value
	}
	return nil
}

// fold takes them out again, and returns what is to be written: nil for a cell
// that goes. It is for after the commit, because a pointer says the version.
func (s *Service) fold(v *dataView, names, changed []string) (map[string][]byte, error) {
	fields := map[string][]byte{}
	for _, name := range names {
		was := slices.Contains(v.state.Stored, name)
		value, there := v.state.Data[name]
		if !there || !slices.Contains(s.cfg.StoredFields, name) { // or it is not named any more
			if was {
				fields[name] = nil
				v.state.Stored = slices.DeleteFunc(v.state.Stored, func(n string) bool { return n == name })
			}
			continue
		}
		content, err := encodeField(name, value)
		if err != nil {
			return nil, err
		}
		if !was {
			v.state.Stored = append(v.state.Stored, name)
		}
		path := name + dataPath
		if !was || slices.ContainsFunc(changed, func(at string) bool { return strings.HasPrefix(at, path) }) {
			fields[name] = content
		}
		v.state.Data[name] = fieldPointer(len(content), v.state.changedAt(path))
	}
	return fields, nil
}

func encodeField(name string, value any) ([]byte, error) {
	content, err := encodeData(value)
	if err == nil && len(content) > maxField {
		err = &budget.OverError{
			Reading: budget.Reading{Limit: budget.Limit{Profile: "sealring", Measure: "stored-field", Bytes: maxField}, What: "field " + quote(name), Bytes: len(content)},
			Parts:   []budget.Part{{Name: name, Bytes: len(content)}},
		}
	}
	return content, err
}

// storedAtLogin takes the stored fields out of the data that a session begins
// with; nil if it has none of them.
func (s *Service) storedAtLogin(g *grant) (*dataView, map[string][]byte, error) {
	state, err := carriedState(&tokens.Session{Data: g.data, Version: g.version})
	if err != nil || len(s.cfg.StoredFields) == 0 || !tokens.IsStrictObject(g.data) { // which the seal refuses
		return nil, nil, nil
	}
	v := &dataView{state: state}
	fields, err := s.fold(v, slices.Sorted(maps.Keys(state.Data)), nil)
	if err != nil || len(fields) == 0 {
		return nil, nil, err
	}
	g.data, err = state.json()
	return v, fields, err
}
