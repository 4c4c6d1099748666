package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	childConfig = "SEALRING_REDISSTORE_CHILD"
	fleetIssuer = "http://auth.localhost" // of all replicas; nothing resolves it
)

// childSetup is what a replica's process is told.
type childSetup struct {
	Listen, Journal  string
	Server, Sentinel string // one of the two
	Sealed, Master   string // the key ring
	AppendLife       time.Duration
}

// TestReplicaProcess is the process of one replica: a journal, the log in
// Redis, and the real service with its feed, until standard input ends or it
// is killed.
func TestReplicaProcess(t *testing.T) {
	text := os.Getenv(childConfig)
	if text == "" {
		return // only as a child
	}
	var c childSetup
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	master, err := ringfile.ParseMasterKey([]byte(c.Master))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := ringfile.Unseal([]byte(c.Sealed), master)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	journal, err := boltstore.Open(c.Journal, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: c.Server, ContextTimeoutEnabled: true})
	if c.Sentinel != "" {
		client = redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName,
			SentinelAddrs: []string{c.Sentinel}, ContextTimeoutEnabled: true})
	}
	log, err := OpenLog(t.Context(), LogConfig{Client: client, Journal: journal, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := log.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	service, err := authsvc.New(authsvc.Config{
		Issuer: fleetIssuer, Audiences: []string{"orders"}, Ring: ring, Log: log, Sessions: sessions,
		Users: everybody{}, Clients: anybody{}, AdminToken: adminToken, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- service.Run(ctx) }()
	mux := http.NewServeMux()
	mux.Handle("/", service.Public())
	mux.Handle("/admin/", service.Admin())
	mux.Handle("POST /append", appendHandler{log, c.AppendLife})
	mux.HandleFunc("GET /settled", func(w http.ResponseWriter, _ *http.Request) {
		log.mu.Lock()
		left := len(log.queue.items)
		log.mu.Unlock()
		if log.Away() || left > 0 {
			http.Error(w, fmt.Sprintf("away %v, %d to say", log.Away(), left), http.StatusServiceUnavailable)
		}
	})
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = server.Serve(l) }()
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
	cancel()
	<-running
	_ = server.Close()
	_ = errors.Join(log.Close(), journal.Close(), client.Close())
}

// everybody has an account, and nobody logs in here.
type everybody struct{ nobody }

func (everybody) Lookup(_ context.Context, subject string) (authsvc.User, error) {
	return authsvc.User{Subject: subject, Username: subject}, nil
}

// appendHandler appends what the body lists, 17 bytes each: type and id. 200:
// shared, 202: not shared yet.
type appendHandler struct {
	log  *Log
	life time.Duration
}

func (h appendHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var entries []revocation.Entry
	now := time.Now()
	for ; err == nil && len(body) >= 17; body = body[17:] {
		e := revocation.SessionEntry(tokens.ID(body[1:17]), now, now.Add(h.life))
		e.Type = revocation.Type(body[0])
		entries = append(entries, e)
	}
	if err == nil {
		err = h.log.Append(r.Context(), entries...)
	}
	switch {
	case errors.Is(err, authsvc.ErrNotShared):
		w.WriteHeader(http.StatusAccepted)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// process is a replica in a process of its own, which the test can kill.
type process struct {
	t      *testing.T
	setup  childSetup
	logged *lines
	cmd    *exec.Cmd
	stdin  io.Closer
	client *http.Client
}

// newProcess starts a replica on a free port. change says where Redis is.
func newProcess(t *testing.T, ring *keys.Ring, change func(*childSetup)) *process {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	master := ringfile.NewMasterKey()
	sealed, err := ringfile.Seal(ring, master)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	p := &process{t: t, logged: &lines{}, client: &http.Client{Transport: transport, Timeout: patience}, setup: childSetup{
		Listen: l.Addr().String(), Journal: filepath.Join(t.TempDir(), "journal.db"),
		Sealed: string(sealed), Master: master.Reveal(), AppendLife: 6 * time.Hour,
	}}
	_ = l.Close()
	change(&p.setup)
	t.Cleanup(func() {
		p.kill()
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Logf("%s:\n%s", p.setup.Listen, p.logged)
		}
	})
	p.start()
	return p
}

// start runs the process and waits until it answers.
func (p *process) start() {
	p.t.Helper()
	text, err := json.Marshal(p.setup)
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestReplicaProcess$")
	p.cmd.Env = append(os.Environ(), childConfig+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p.logged, p.logged
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, "a replica answers", func() bool { return p.get("/settled") != 0 })
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.stdin.Close()
	p.cmd = nil
}

// get returns the status of an answer, 0 where there is none.
func (p *process) get(path string) int {
	resp, err := p.client.Get("http://" + p.setup.Listen + path)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (p *process) settled() bool { return p.get("/settled") == http.StatusOK }

// append returns whether the entries were acknowledged, and whether as shared.
func (p *process) append(body []byte) (acked, shared bool) {
	resp, err := p.client.Post("http://"+p.setup.Listen+"/append", "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return false, false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusAccepted, resp.StatusCode == http.StatusOK
}
