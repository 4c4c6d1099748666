package authsvc

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/openapi"
)

// The pages of the service. They need no script and load nothing from elsewhere;
// their form is plain HTML, for keyboards, screen readers and old browsers.

//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

const (
	loginPath  = "/login"
	logoutPath = "/logout"
	endedPath  = "/sessions-ended"
	assetLife  = 24 * time.Hour // a changed file has another address: see letterhead
)

// speaksPages says whether a request is answered with pages: it comes from a
// browser's address bar or a form.
func speaksPages(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet:
		return r.URL.Path == loginPath || r.URL.Path == endedPath || r.URL.Path == refreshPath
	case http.MethodPost:
		return r.URL.Path == loginPath || r.URL.Path == logoutPath
	}
	return false
}

// letterhead is what every page has.
type letterhead struct {
	Title, Host, Base, Version string
	ReturnTo                   string // "": nowhere
}

func (s *Service) letterhead(title, to string) letterhead {
	u, err := url.Parse(s.cfg.Issuer)
	if err != nil {
		u = &url.URL{} // can not be: see isIssuer
	}
	return letterhead{Title: title, Host: u.Host, Base: u.Path, Version: assetVersion, ReturnTo: to}
}

// page makes the answer that shows a template.
func (s *Service) page(status int, name string, data any) (*reply, error) {
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, name, data); err != nil {
		return nil, fmt.Errorf("drawing a page: %w", err)
	}
	p := newReply(status)
	p.header.Set("Content-Type", "text/html; charset=utf-8")
	p.header.Set("Content-Security-Policy", s.pagePolicy())
	p.header.Set("Referrer-Policy", "same-origin") // with none at all, a form's Origin would be null
	p.header.Set("Cross-Origin-Opener-Policy", "same-origin")
	p.header.Set("X-Frame-Options", "DENY")
	p.body = body.Bytes()
	return p, nil
}

// pagePolicy lets a page load its style and its icon, and send its forms here.
// Chromium holds form-action against the redirect after a form too, so it names
// wherever that may lead.
func (s *Service) pagePolicy() string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " +
		strings.Join(s.cfg.trusted(), " ")
}

// assetTypes are the files that pages load.
var assetTypes = map[string]string{"pages.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}

// assetVersion is in the addresses of the files, for the caches.
var assetVersion = func() string {
	sum := sha256.New()
	for _, name := range []string{"pages.css", "icon.svg"} {
		sum.Write(assetOf(name))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}()

func assetOf(name string) []byte {
	data, err := pageFiles.ReadFile(path.Join("pages", name))
	if err != nil {
		panic(err) // can not be: it is embedded
	}
	return data
}

// Asset implements openapi.ServerInterface.
func (a *publicAPI) Asset(w http.ResponseWriter, r *http.Request, name string, params openapi.AssetParams) {
	mediaType, known := assetTypes[name]
	if !known {
		a.fail(w, r, errNotFound)
		return
	}
	document(mediaType, assetOf(name), assetLife, params.IfNoneMatch).write(w)
}
