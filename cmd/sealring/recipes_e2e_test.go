package main

import (
	"path/filepath"
	"testing"
)

// Each recipe of deploy runs here in the real proxy, before a service as in
// production.

func TestNginxLetsThroughWhoHasASession(t *testing.T) {
	newFront(t, recipe{name: "nginx", files: []string{"sealring.conf"}, command: func(dir string) []string {
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
	}}).keepsItsPromise(t)
}
