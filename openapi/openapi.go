// Package openapi is the wire. openapi.yaml is the authority for every request
// and answer; what Go needs of it is generated: here the models and the
// handlers' interface of the public listener, in adminapi those of the admin
// listener.
//
// It is the plain chi interface and not the generator's strict one: our
// handlers need the request itself (two credentials in one request, a
// connection that streams), an answer of ours may set two cookies, and the
// strict server would read bodies before us with encoding/json alone, which
// takes unknown, doubled and differently cased names.
package openapi

import _ "embed"

// The generator is a pinned program and not a requirement of this module:
// what only builds us must not raise versions in a consumer's go.mod.
//
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config public.cfg.yaml -o public.gen.go openapi.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config adminapi/admin.cfg.yaml -o adminapi/admin.gen.go openapi.yaml

// Document is openapi.yaml.
//
//go:embed openapi.yaml
var Document []byte
