package budget_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for a slow machine.
const patience = time.Minute

// program is a real one, with its default settings: a profile is about it. It
// listens on a port and, if it is a proxy, asks an origin.
type program struct {
	profile string
	command func(t *testing.T, dir, port, origin string) []string // stays in the foreground
}

var programs = []program{
	{"nginx", func(t *testing.T, dir, port, origin string) []string {
		return []string{"nginx", "-e", "stderr", "-p", dir, "-c", write(t, dir, "nginx.conf", `daemon off;
user root; # or who runs it: the folders are of this test
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
    server {
        listen 127.0.0.1:`+port+`;
        location / { proxy_pass http://`+origin+`; }
    }
}
`)}
	}},
	{"apache", func(t *testing.T, dir, port, origin string) []string {
		modules := ""
		for _, name := range []string{"mpm_event", "authz_core", "proxy", "proxy_http"} {
			modules += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
		}
		return []string{"apache2", "-DFOREGROUND", "-f", write(t, dir, "apache.conf", modules+`
DefaultRuntimeDir `+dir+`
PidFile `+dir+`/pid
ErrorLog /dev/stderr
User nobody
Group nogroup
ServerName localhost
StartServers 1
Listen 127.0.0.1:`+port+`
ProxyPass / http://`+origin+`/ disablereuse=on
`)}
	}},
	{"haproxy", func(t *testing.T, dir, port, origin string) []string {
		return []string{"haproxy", "-db", "-f", write(t, dir, "haproxy.cfg", `defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:`+port+`
    default_backend back
backend back
    server origin `+origin+`
`)}
	}},
	{"caddy", func(t *testing.T, dir, port, origin string) []string {
		return []string{"env", "HOME=" + dir, "caddy", "run", "--adapter", "caddyfile", "--config", write(t, dir, "Caddyfile", `{
	admin off
	auto_https off
}
http://:`+port+` {
	bind 127.0.0.1
	reverse_proxy `+origin+`
}
`)}
	}},
	{"tomcat", func(t *testing.T, dir, port, _ string) []string {
		for _, folder := range []string{"logs", "temp", "work", "webapps"} {
			must(t, os.Mkdir(filepath.Join(dir, folder), 0o755))
		}
		write(t, dir, "webapps/ROOT/index.html", "it came through")
		write(t, dir, "conf/web.xml", `<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0">
<servlet><servlet-name>default</servlet-name><servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class></servlet>
<servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
<welcome-file-list><welcome-file>index.html</welcome-file></welcome-file-list>
</web-app>`)
		write(t, dir, "conf/server.xml", `<Server port="-1"><Service name="Catalina">
<Connector address="127.0.0.1" port="`+port+`"/>
<Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"><Context path="" docBase="ROOT" containerSciFilter="Jasper"/></Host></Engine>
</Service></Server>`)
		return []string{"env", "CATALINA_HOME=/usr/share/tomcat10", "CATALINA_BASE=" + dir, "JRE_HOME=" + java(t), "/usr/share/tomcat10/bin/catalina.sh", "run"}
	}},
	{"node", func(t *testing.T, dir, port, _ string) []string {
		return []string{"node", write(t, dir, "server.mjs",
			`import http from "node:http"; http.createServer((q, a) => a.end("it came through")).listen(`+port+`, "127.0.0.1");`)}
	}},
}

// java is the home of the machine's Java.
func java(t *testing.T) string {
	path, err := exec.LookPath("java")
	must(t, err)
	path, err = filepath.EvalSymlinks(path)
	must(t, err)
	return filepath.Dir(filepath.Dir(path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// folder is a new one, until the test ends and nobody writes into it any more.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "budget")
	must(t, err)
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); err = os.RemoveAll(dir) {
			time.Sleep(10 * time.Millisecond)
		}
		must(t, err)
	})
	return dir
}

// run starts the program, waits until it listens, and returns its address. It
// ends with the test.
func (p program) run(t *testing.T, origin string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	dir := folder(t)
	must(t, os.Chmod(dir, 0o755)) // some work as another user
	ended := start(t, p.command(t, dir, address[strings.LastIndex(address, ":")+1:], origin)...)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			must(t, conn.Close())
			return address
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended", p.profile)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v", p.profile, err)
		}
	}
}

// start runs a command with all that it starts in turn, until the test ends.
func start(t *testing.T, args ...string) (ended chan struct{}) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out said
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s (make needs installs it): %v", args[0], err)
	}
	ended = make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", args[0])
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", args[0], out.text())
		}
	})
	return ended
}

// said is the end of what a program says.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.b.Bytes()
	return string(b[max(0, len(b)-4000):])
}
