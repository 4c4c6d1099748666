package authsvc

import (
	"bytes"
	"embed"
	"net/http"
	"path"
	"time"

	"github.com/sealring-dev/sealring/openapi"
)

// The script that keeps a page's session alive, for pages that want one. It is
// written in several files, which share one scope and are served as one.

//go:embed sessionjs
var scriptFiles embed.FS

// sessionScript has the files in the order in which they need each other.
var sessionScript = func() []byte {
	var all bytes.Buffer
	all.WriteString("(() => {\n\"use strict\";\n")
	for _, name := range []string{"clock.js", "service.js", "tabs.js", "keeper.js", "dialog.js", "page.js"} {
		data, err := scriptFiles.ReadFile(path.Join("sessionjs", name))
		if err != nil {
			panic(err) // can not be: it is embedded
		}
		all.WriteString("\n")
		all.Write(data)
	}
	all.WriteString("})();\n")
	return all.Bytes()
}()

// scriptLife is short: pages name the script without a version.
const scriptLife = time.Hour

// SessionScript implements openapi.ServerInterface. Pages of other origins load
// it; one of those that isolate themselves may only if it is said here
// (Cross-Origin-Resource-Policy).
func (a *publicAPI) SessionScript(w http.ResponseWriter, _ *http.Request, params openapi.SessionScriptParams) {
	p := document("text/javascript; charset=utf-8", sessionScript, scriptLife, params.IfNoneMatch)
	p.header.Set("Cross-Origin-Resource-Policy", "same-site")
	p.write(w)
}
