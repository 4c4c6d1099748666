package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name under which a Sentinel knows its primary.
const MasterName = "sealring"

// Sentinel is a primary with replicas, watched by one Sentinel process.
type Sentinel struct {
	Sentinel *Server
	Servers  []*Server // the first was started as the primary
}

// StartSentinel makes a primary with n replicas, waits until they are in step,
// and sets a Sentinel over them that takes a primary for dead after half a
// second.
func StartSentinel(t testing.TB, n int) *Sentinel {
	t.Helper()
	s := &Sentinel{Servers: []*Server{Start(t, "--repl-diskless-sync-delay", "0")}}
	primary := s.Servers[0]
	for range n {
		s.Servers = append(s.Servers, Start(t, "--repl-diskless-sync-delay", "0",
			"--replicaof", fmt.Sprintf("127.0.0.1 %d", primary.port)))
	}
	for _, replica := range s.Servers[1:] {
		if err := await(replica.done, replica.inStep); err != nil {
			t.Fatalf("replicating: %v", err)
		}
	}
	s.Sentinel = startSentinel(t, primary.port)
	if err := await(s.Sentinel.done, func() error { return s.watches(n) }); err != nil {
		t.Fatalf("watching: %v", err)
	}
	return s
}

func startSentinel(t testing.TB, primary int) *Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sentinel.conf") // it writes its state here
	s := &Server{t: t, port: freePort(t), args: []string{"redis-server", path, "--sentinel"}}
	config := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]d 1
sentinel down-after-milliseconds %[3]s 500
sentinel failover-timeout %[3]s 5000
sentinel auth-user %[3]s %[5]s
sentinel auth-pass %[3]s "%[6]s"
`, s.port, filepath.Dir(path), MasterName, primary, admin, adminPassword)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.spawn()
	t.Cleanup(s.Kill9)
	if err := s.await(); err != nil {
		t.Fatalf("starting a sentinel: %v\n%s", err, s.out)
	}
	return s
}

// Primary is the server that the Sentinel names as the primary now.
func (s *Sentinel) Primary() *Server {
	addr := s.Sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName).([]any)
	port, _ := strconv.Atoi(addr[1].(string))
	for _, server := range s.Servers {
		if server.port == port {
			return server
		}
	}
	panic("redistest: a primary that was never started")
}

// Replicate waits until every replica has all that the primary has now.
func (s *Sentinel) Replicate() {
	s.Sentinel.t.Helper()
	primary := s.Primary()
	have := primary.offset("master_repl_offset")
	for _, replica := range s.Servers {
		if replica == primary || replica.cmd == nil {
			continue
		}
		err := await(replica.done, func() error {
			if n := replica.offset("slave_repl_offset"); n < have {
				return fmt.Errorf("%s is at %d of %d", replica.Addr(), n, have)
			}
			return nil
		})
		if err != nil {
			s.Sentinel.t.Fatalf("replicating: %v", err)
		}
	}
}

// FailOver kills the primary and waits until the Sentinel has made a replica
// the new one.
func (s *Sentinel) FailOver() {
	s.Sentinel.t.Helper()
	old := s.Primary()
	old.Kill9()
	err := await(s.Sentinel.done, func() error {
		next := s.Primary()
		if next == old {
			return fmt.Errorf("%s is still the primary", old.Addr())
		}
		info, err := next.try("ROLE")
		if err != nil {
			return err
		}
		if role := info.([]any)[0]; role != "master" {
			return fmt.Errorf("%s is still a %v", next.Addr(), role)
		}
		return nil
	})
	if err != nil {
		s.Sentinel.t.Fatalf("failing over: %v", err)
	}
}

// Client makes a client that asks the Sentinel for the primary, as
// Server.Client does for a server.
func (s *Sentinel) Client(t testing.TB) *redis.Client {
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: MasterName, SentinelAddrs: []string{s.Sentinel.Addr()}, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) inStep() error {
	info, err := s.try("INFO", "replication")
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(info), "master_link_status:up") {
		return fmt.Errorf("%s has no link to its primary", s.Addr())
	}
	return nil
}

// offset reads a number of INFO replication; 0 if it is not there.
func (s *Server) offset(name string) int {
	s.t.Helper()
	_, after, _ := strings.Cut(fmt.Sprint(s.Do("INFO", "replication")), "\n"+name+":")
	digits, _, _ := strings.Cut(after, "\r")
	n, _ := strconv.Atoi(digits)
	return n
}

// watches reports whether the Sentinel has found all replicas.
func (s *Sentinel) watches(n int) error {
	info, err := s.Sentinel.try("INFO", "sentinel")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("status=ok,address=%s,slaves=%d", s.Servers[0].Addr(), n); !strings.Contains(fmt.Sprint(info), want) {
		return fmt.Errorf("the sentinel does not say %q", want)
	}
	return nil
}
