package authsvc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBody  = 8 << 10 // but for what bodyLimit says otherwise
	maxDepth = 8       // of nested JSON
)

// bodyLimit is how long the body of a request may be.
func bodyLimit(r *http.Request) int64 {
	if r.Method == http.MethodPatch {
		return maxPatch
	}
	return maxBody
}

// readBody reads the request's body, which must be of one of the media types;
// nil for an empty one. The bound was set around it (see edge).
func readBody(r *http.Request, mediaTypes ...string) ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, bodyTooLarge(tooLarge)
	case err != nil:
		return nil, invalidRequest("the body ends early")
	case len(data) == 0:
		return nil, nil
	}
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !slices.Contains(mediaTypes, got) {
		return nil, unsupportedMediaType(strings.Join(mediaTypes, " or "))
	}
	return data, nil
}

// noBody refuses a request that brings a body where none has a meaning.
func noBody(r *http.Request) error {
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bodyTooLarge(tooLarge)
	case err != nil:
		return invalidRequest("the body ends early")
	case len(data) > 0:
		return invalidRequest("this request takes no body")
	}
	return nil
}

// readJSON reads a JSON body into the struct at dst, strictly. It reports
// false when there is no body.
func readJSON(r *http.Request, dst any) (bool, error) {
	data, err := readBody(r, "application/json")
	if data == nil || err != nil {
		return false, err
	}
	return true, decodeStrict(data, dst)
}

// needJSON is readJSON where a body is required.
func needJSON(r *http.Request, dst any) error {
	found, err := readJSON(r, dst)
	if err == nil && !found {
		return invalidRequest("a JSON body is required")
	}
	return err
}

// decodeStrict decodes one JSON object into a struct. encoding/json alone
// takes unknown, repeated and differently cased names, null for anything and
// broken UTF-8. Fields without omitempty are required.
func decodeStrict(data []byte, dst any) error {
	var members map[string]json.RawMessage
	if !utf8.Valid(data) {
		return invalidRequest("the body is not UTF-8")
	}
	if err := json.Unmarshal(data, &members); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalidRequest("the body is not a JSON object")
		}
		return invalidRequest("malformed JSON: " + err.Error())
	}
	if members == nil {
		return invalidRequest("the body is not a JSON object")
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	if err := walk(dec, 0); err != nil {
		return err
	}
	return fill(members, reflect.ValueOf(dst).Elem())
}

// fill sets the struct's fields from the members of their exact names.
func fill(members map[string]json.RawMessage, dst reflect.Value) error {
	for i := range dst.NumField() {
		tag := dst.Type().Field(i).Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		raw, found := members[name]
		if !found {
			if !strings.Contains(options, "omitempty") {
				return invalidField(name, "is missing")
			}
			continue
		}
		delete(members, name)
		if string(raw) == "null" || json.Unmarshal(raw, dst.Field(i).Addr().Interface()) != nil {
			return invalidField(name, "has the wrong type")
		}
	}
	for name := range members {
		return invalidRequest(fmt.Sprintf("unknown field %s", quote(name)))
	}
	return nil
}

// walk goes through the next value, which is known to be well-formed, and
// refuses repeated names and too deep nesting.
func walk(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return invalidRequest(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	t, err := dec.Token()
	if err != nil {
		return invalidRequest("malformed JSON")
	}
	open, _ := t.(json.Delim)
	names := map[string]bool{}
	for (open == '{' || open == '[') && dec.More() {
		if open == '{' {
			t, err := dec.Token()
			name, _ := t.(string)
			if err != nil || names[name] {
				return invalidField(name, "is there twice")
			}
			names[name] = true
		}
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	if open == 0 {
		return nil
	}
	if _, err := dec.Token(); err != nil { // the closing one
		return invalidRequest("malformed JSON")
	}
	return nil
}

// within refuses a string outside of its bounds.
func within(name, value string, shortest, longest int) error {
	switch n := utf8.RuneCountInString(value); {
	case n < shortest:
		return invalidField(name, "is empty")
	case n > longest:
		return invalidField(name, fmt.Sprintf("is longer than %d characters", longest))
	}
	return nil
}

// quote shows a short part of foreign text.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
