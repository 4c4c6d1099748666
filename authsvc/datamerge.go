package authsvc

import (
	"maps"
	"reflect"
	"slices"
)

// merge applies a JSON merge patch (RFC 7396) to the data of a session, by
// whoever knew the data as it was at base. What is already as the patch wants
// it is left alone, so that a patch can be repeated when its answer was lost.
// What was changed after base is a conflict, unless it is that.
type merge struct {
	state    *dataState
	base     uint32
	changed  []string // paths
	conflict string   // path of one; "" if there is none
	at       uint32   // when that was changed
}

func (m *merge) apply(patch map[string]any) {
	if m.state.Data == nil && len(patch) > 0 {
		m.state.Data = map[string]any{}
	}
	m.object(m.state.Data, patch, "")
}

func (m *merge) object(target, patch map[string]any, path string) {
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		m.member(target, name, patch[name], path+name+dataPath)
	}
}

func (m *merge) member(target map[string]any, name string, value any, path string) {
	old, found := target[name]
	switch value := value.(type) {
	case nil:
		if found {
			m.touch(path)
			delete(target, name)
		}
	case map[string]any:
		inner, isObject := old.(map[string]any)
		if !isObject {
			// An object in the place of nothing comes with what goes into it: so two
			// can begin it at once.
			if found || isBare(value) {
				m.touch(path)
			}
			inner = map[string]any{}
			target[name] = inner
		}
		m.object(inner, value, path)
	default:
		if !found || !reflect.DeepEqual(old, value) {
			m.touch(path)
			target[name] = value
		}
	}
}

// isBare says whether a patch puts nothing into an object but objects.
func isBare(patch map[string]any) bool {
	for _, v := range patch {
		inner, isObject := v.(map[string]any)
		if v != nil && (!isObject || !isBare(inner)) {
			return false
		}
	}
	return true
}

func (m *merge) touch(path string) {
	m.changed = append(m.changed, path)
	if at := m.state.changedAt(path); at > m.base && m.conflict == "" {
		m.conflict, m.at = path, at
	}
}
