package authsvc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/sealring-dev/sealring/openapi"
)

// document is openapi.yaml, parsed and validated once.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	for _, text := range []string{"application/jose", "text/event-stream", "text/html", "text/css", "text/javascript", "image/svg+xml"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	for _, json := range []string{"application/jwk-set+json", "application/problem+json"} {
		openapi3filter.RegisterBodyDecoder(json, openapi3filter.JSONBodyDecoder)
	}
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.YamlBodyDecoder)
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(openapi.Document)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // any host
	return doc, doc.Validate(loader.Context)
})

// conforming is a client under which every test is a conformance test: an
// answer that openapi.yaml does not describe fails the test, and so does a
// request that it forbids and the server accepts.
func conforming(t *testing.T) *http.Client {
	t.Helper()
	doc, err := document()
	must(t, err)
	router, err := gorillamux.NewRouter(doc)
	must(t, err)
	c := &conformance{t: t, doc: doc, router: router, next: &http.Transport{MaxIdleConnsPerHost: 256}}
	return &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type conformance struct {
	t      *testing.T
	doc    *openapi3.T
	router routers.Router
	next   *http.Transport
}

func (c *conformance) CloseIdleConnections() { c.next.CloseIdleConnections() }

func (c *conformance) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	stream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	var got []byte
	if !stream {
		got, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(got))
	}
	if err := c.check(r, sent, res, got, stream); err != nil {
		c.t.Errorf("%s %s %s → %d %v %s\ndoes not conform: %v", r.Method, r.URL, sent, res.StatusCode, res.Header, got, err)
	}
	return res, nil
}

func (c *conformance) check(r *http.Request, sent []byte, res *http.Response, got []byte, stream bool) error {
	if res.StatusCode == http.StatusInternalServerError && !strings.Contains(c.t.Name(), "Panic") {
		return fmt.Errorf("500")
	}
	if r.Method == http.MethodOptions && res.StatusCode == http.StatusNoContent && len(got) == 0 {
		return nil // a preflight, which the Fetch standard describes
	}
	probe := asDocumented(r)
	probe.Body = io.NopCloser(bytes.NewReader(sent))
	route, params, err := c.router.FindRoute(probe)
	if err != nil || res.StatusCode == http.StatusMethodNotAllowed || res.StatusCode == http.StatusNotFound {
		return c.checkUnknown(res, got)
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeResponseBody: stream}
	in := &openapi3filter.RequestValidationInput{Request: probe, PathParams: params, Route: route, Options: options}
	refused := openapi3filter.ValidateRequest(r.Context(), in)
	if refused != nil && res.StatusCode < 400 {
		return fmt.Errorf("a request that the document forbids was accepted: %w", refused)
	}
	if refused == nil && res.StatusCode == http.StatusUnsupportedMediaType {
		return fmt.Errorf("a documented media type was refused")
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: options}
	out.SetBodyBytes(got)
	return openapi3filter.ValidateResponse(r.Context(), out)
}

// asDocumented is a request, or the one that the document says it is.
func asDocumented(r *http.Request) *http.Request {
	probe := r.Clone(r.Context())
	if strings.HasPrefix(r.URL.Path, "/v1/verify/") {
		probe.Method, probe.URL.Path, probe.URL.RawPath, probe.URL.RawQuery = http.MethodGet, "/v1/verify", "", "mode=redirect"
	}
	return probe
}

// checkUnknown is for answers outside of the document: they are problems too.
func (c *conformance) checkUnknown(res *http.Response, got []byte) error {
	schema := "Problem"
	if res.Header.Get("Content-Type") == "application/json" {
		schema = "OAuthError"
	}
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		return err
	}
	return c.doc.Components.Schemas[schema].Value.VisitJSON(v)
}

func TestDocumentIsValid(t *testing.T) {
	doc, err := document()
	must(t, err)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s lacks an id, a summary or its tag", method, path)
			}
			if op.Responses.Value("500") == nil {
				t.Errorf("%s %s does not document its 500", method, path)
			}
		}
	}
}

func TestDocumentBoundsEverything(t *testing.T) {
	doc, err := document()
	must(t, err)
	for name, s := range doc.Components.Schemas {
		bounded(t, name, s.Value)
	}
}

// bounded demands a limit of every string and list, and a closed shape of
// every object.
func bounded(t *testing.T, at string, s *openapi3.Schema) {
	t.Helper()
	switch {
	case s.Type.Is("string"):
		if s.MaxLength == nil && len(s.Enum) == 0 && s.Format != "date-time" {
			t.Errorf("%s: a string without maxLength", at)
		}
	case s.Type.Is("array"):
		if s.MaxItems == nil {
			t.Errorf("%s: an array without maxItems", at)
		} else if *s.MaxItems > 0 {
			bounded(t, at+"[]", s.Items.Value)
		}
	case s.Type.Is("object"):
		open := s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has
		if open && at != "TokenRequest" && at != "TokenQuery" && at != "DataPatch" && !strings.HasSuffix(at, ".data") {
			t.Errorf("%s: an object that takes any member", at)
		}
		for name, p := range s.Properties {
			bounded(t, at+"."+name, p.Value)
		}
	}
}
