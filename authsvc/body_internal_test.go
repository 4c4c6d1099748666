package authsvc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/sealring-dev/sealring/openapi"
)

// What is accepted strictly, encoding/json reads the same way without an
// unknown field, and the canonical form of it is accepted again.
func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{
		`{"username":"ann","password":"x"}`, `{"username":"ann","password":"x","mode":"cookie","data":{"a":[1,{"b":null}]}}`,
		`{"Username":"ann","password":"x"}`, `{"username":"ann","username":"bob","password":"x"}`, `null`, `[]`, `{"username":"\ud800","password":""}`,
		`{"username":"ann","password":"x","audience":["a",null]} `, "{\"username\":\"\xff\",\"password\":\"\"}", `{"data":{"a":1,"a":2}}`, `{}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, lax openapi.LoginRequest
		if decodeStrict(data, &strict) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&lax); err != nil {
			t.Fatalf("accepted %q: %v", data, err)
		}
		if !reflect.DeepEqual(strict, lax) {
			t.Fatalf("%q is %+v, not %+v", data, strict, lax)
		}
		again, err := json.Marshal(strict)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeStrict(again, &lax); err != nil {
			t.Fatalf("%q was accepted, %q is not: %v", data, again, err)
		}
	})
}
