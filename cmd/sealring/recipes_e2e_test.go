package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each recipe of deploy runs here in the real proxy, before a service as in
// production: one after the other, for it takes a while to make that.
func TestRecipesLetThroughWhoHasASession(t *testing.T) {
	f := newFront(t)
	for _, r := range []recipe{nginxRecipe, caddyRecipe, haproxyRecipe, apacheRecipe} {
		t.Run(r.name, func(t *testing.T) { f.behind(t, r).keepsItsPromise(t) })
	}
	t.Run("a script that fails lets nobody through", f.scriptsFailClosed)
	t.Run("HAProxy verifies by itself and asks what is left", f.haproxyDoesBoth)
}

var nginxRecipe = recipe{name: "nginx", files: []string{"sealring.conf"}, command: func(t *testing.T, f *front, dir string) []string {
	// What Debian's nginx.conf is to a file of conf.d.
	main := mustWrite(t, filepath.Join(dir, "nginx.conf"), `daemon off;
user root;  # or who runs it: the folders are of this test
pid `+dir+`/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path `+dir+`;
    proxy_temp_path `+dir+`;
    fastcgi_temp_path `+dir+`;
    uwsgi_temp_path `+dir+`;
    scgi_temp_path `+dir+`;
    include `+dir+`/sealring.conf;
}
`)
	return []string{"nginx", "-e", "stderr", "-p", dir, "-c", main}
}}

var caddyRecipe = recipe{name: "caddy", files: []string{"Caddyfile"}, command: func(t *testing.T, f *front, dir string) []string {
	// Without its admin API, whose port is one for the machine.
	main := mustWrite(t, filepath.Join(dir, "main"), "{\n\tadmin off\n}\nimport "+dir+"/Caddyfile\n")
	return []string{"env", "HOME=" + dir, "caddy", "run", "--adapter", "caddyfile", "--config", main}
}}

var haproxyRecipe = recipe{name: "haproxy", files: []string{"haproxy.cfg", "sealring.lua"}, command: func(t *testing.T, f *front, dir string) []string {
	return []string{"haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg")}
}}

var apacheRecipe = recipe{name: "apache2", files: []string{"sealring.conf", "sealring.lua"}, command: func(t *testing.T, f *front, dir string) []string {
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // its workers are another user
	var modules strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "alias", "headers", "proxy", "proxy_http", "lua"} {
		fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	main := mustWrite(t, filepath.Join(dir, "main.conf"), modules.String()+`
DefaultRuntimeDir `+dir+`
PidFile `+dir+`/pid
ErrorLog /dev/stderr
User nobody
Group nogroup
ServerName localhost
ThreadsPerChild 16
StartServers 1
MinSpareThreads 4
MaxSpareThreads 16
MaxRequestWorkers 16
ServerLimit 1
Include `+dir+`/sealring.conf
`)
	return []string{"apache2", "-DFOREGROUND", "-f", main}
}}

// scriptsFailClosed: HAProxy goes on after a fault in Lua, as if the script had
// said nothing.
func (f *front) scriptsFailClosed(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "token")
	for _, tc := range []struct {
		recipe
		answer int
	}{{haproxyRecipe, http.StatusServiceUnavailable}, {apacheRecipe, http.StatusInternalServerError}} {
		t.Run(tc.name, func(t *testing.T) {
			broken := tc.recipe
			broken.command = func(t *testing.T, f *front, dir string) []string {
				edit(t, filepath.Join(dir, "sealring.lua"), "status == 200 then", `status == 200 then error("a fault")`)
				return tc.command(t, f, dir)
			}
			f := f.behind(t, broken)
			f.untouched(t, func() {
				f.get(t, "/").want(t, http.StatusUnauthorized)
				f.get(t, "/", c.line()).want(t, tc.answer)
			})
		})
	}
}

// haproxyDoesBoth: what `keys export` writes for HAProxy does not hear of
// revocations, as it says.
// Put before the question to the auth service it answers for it what is forged.
func (f *front) haproxyDoesBoth(t *testing.T) {
	both := haproxyRecipe
	both.command = func(t *testing.T, f *front, dir string) []string {
		config := filepath.Join(dir, "haproxy.cfg")
		rules, err := os.ReadFile(filepath.Join(f.exported(t), "haproxy.cfg"))
		must(t, err)
		edit(t, config, "    http-request lua.sealring\n", string(rules)+"    http-request lua.sealring\n")
		return haproxyRecipe.command(t, f, dir)
	}
	f = f.behind(t, both)
	good := mustLogIn(t, f.direct, sitePassword, "token")
	ended := mustLogIn(t, f.direct, sitePassword, "token")
	alone := haproxy(t, filepath.Join(f.exported(t), "haproxy.cfg"))
	wantCall(t, http.StatusNoContent, http.MethodPost, f.direct+"/v1/logout", ended)
	wantCall(t, http.StatusOK, http.MethodGet, alone, ended) // until it expires
	f.get(t, "/", good.line()).told(t).is(t, f.identity(t, good))
	f.get(t, "/", ended.line()).want(t, http.StatusUnauthorized)
	expired := credential{"Authorization", "Bearer " + f.signed(t, longAgo)}

	f.auth.kill()
	f.untouched(t, func() {
		f.get(t, "/", expired.line()).want(t, http.StatusUnauthorized)
		f.get(t, "/", "Authorization: Bearer "+foreignToken(t, f.issuer)).want(t, http.StatusUnauthorized)
		f.get(t, "/", good.line()).want(t, http.StatusServiceUnavailable)
	})
	wantCall(t, http.StatusOK, http.MethodGet, alone, good)
	wantCall(t, http.StatusUnauthorized, http.MethodGet, alone, expired)
}

func (f *front) exported(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pem")
	command(t, "", "keys", "export", "--data", f.data, "--format", "pem", "--dir", dir, "--issuer", f.issuer)
	return dir
}
