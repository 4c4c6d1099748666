package authsvc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// dataState is the data of a session at a version, and what a change of it must
// know: when each part was changed last.
type dataState struct {
	Version uint32            `json:"version"`
	Floor   uint32            `json:"floor"`             // what is not in Changed was changed then at the latest
	Changed map[string]uint32 `json:"changed,omitempty"` // by path: see dataPath
	Stored  []string          `json:"stored,omitempty"`  // fields that are in cells of their own; Data points there
	Data    map[string]any    `json:"data"`              // nil: there never was any
}

// A path is the names that lead to a part, each with dataPath after it. No name has that in it:
// JSON has control characters only in escapes, and those are refused.
const dataPath = "\n"

// At most maxChanged paths are remembered; when there are more, the versions of
// the older half are forgotten, and count as the newest of them. A client may
// then be told of a conflict that is none, and never the reverse.
const maxChanged = 256

// carriedState is the data of a cookie. When its parts were changed is not
// known of it: each may have been at its version.
func carriedState(held *tokens.Session) (*dataState, error) {
	s := &dataState{Version: held.Version, Floor: held.Version}
	if held.Data == nil {
		return s, nil
	}
	return s, decodeData(held.Data, &s.Data)
}

// decodeData keeps numbers as they are written.
func decodeData(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decoding data: %w", err)
	}
	return nil
}

func encodeData(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding data: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// json is the data as the cookie has it, nil where there never was any.
func (s *dataState) json() ([]byte, error) {
	if s.Data == nil {
		return nil, nil
	}
	return encodeData(s.Data)
}

// changedAt is the version at which something at, above or below a path was
// changed last.
func (s *dataState) changedAt(path string) uint32 {
	last := s.Floor
	for other, at := range s.Changed {
		if at > last && (strings.HasPrefix(path, other) || strings.HasPrefix(other, path)) {
			last = at
		}
	}
	return last
}

// commit is the next version, in which these paths have changed.
func (s *dataState) commit(changed []string) {
	s.Version++
	if s.Changed == nil {
		s.Changed = map[string]uint32{}
	}
	for _, path := range changed {
		maps.DeleteFunc(s.Changed, func(other string, _ uint32) bool { return strings.HasPrefix(other, path) })
		s.Changed[path] = s.Version
	}
	s.forget()
}

func (s *dataState) forget() {
	if len(s.Changed) <= maxChanged {
		return
	}
	versions := slices.Sorted(maps.Values(s.Changed))
	s.Floor = versions[len(versions)-maxChanged/2-1]
	maps.DeleteFunc(s.Changed, func(_ string, at uint32) bool { return at <= s.Floor })
}
