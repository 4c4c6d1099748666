package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a helper waits for what takes milliseconds on an idle
// machine.
const patience = 30 * time.Second

// Server is one Redis process. Its methods belong to the test's goroutine.
type Server struct {
	t    testing.TB
	port int
	args []string
	user string // of Do; empty: none

	cmd  *exec.Cmd // nil while it is down
	done chan struct{}
	out  *bytes.Buffer // of the process; safe to read once done is closed
}

// Start runs a Redis server without persistence and waits until it answers.
// The arguments are appended to its command line ("--appendonly", "yes").
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, "redis-server", args...)
}

// start tries another port when one is taken in the moment between the choice
// and the bind.
func start(t testing.TB, program string, args ...string) *Server {
	t.Helper()
	for attempt := 0; ; attempt++ {
		s := &Server{t: t, port: freePort(t)}
		s.args = append([]string{program, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
			"--dir", t.TempDir(), "--save", "", "--appendonly", "no"}, append(users(t), args...)...)
		s.user = admin
		s.spawn()
		err := s.await()
		if err == nil {
			t.Cleanup(s.Kill9)
			return s
		}
		s.Kill9()
		if attempt == 4 {
			t.Fatalf("starting %s: %v\n%s", program, err, s.out)
		}
	}
}

// Addr is the server's "host:port". It stays the same over restarts.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// URL is the server's address in the form of a setting: "redis://host:port".
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Client makes a client of this server, closed at the end of the test. It is
// set as a service's must be: it keeps to the deadline of a call's context.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Admin makes a client that may do everything.
func (s *Server) Admin(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: s.user, Password: s.password(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill9 ends the process as a power cut would. A server that is down already
// stays down.
func (s *Server) Kill9() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have died by itself
	<-s.done
	s.cmd = nil
}

// Restart kills the server if it runs, and starts it on the same address:
// empty, unless its arguments let it keep something in its folder.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill9()
	s.spawn()
	if err := s.await(); err != nil {
		s.t.Fatalf("restarting on %s: %v\n%s", s.Addr(), err, s.out)
	}
}

// Stop freezes the process (SIGSTOP): the kernel goes on accepting
// connections and data for it, and nothing is answered.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Cont lets a frozen process go on (SIGCONT). It then carries out what was
// sent to it meanwhile, even if the sender has given up.
func (s *Server) Cont() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatalf("%v to a server that is down", sig)
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("%v: %v", sig, err)
	}
}

// Do runs one command on this very server and fails the test if it fails. A
// nil answer is returned as nil.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	answer, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%v on %s: %v", args, s.Addr(), err)
	}
	return answer
}

func (s *Server) password() string {
	if s.user == "" {
		return ""
	}
	return adminPassword
}

func (s *Server) try(args ...any) (any, error) {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: s.user, Password: s.password(), ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := c.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return answer, err
}

// spawn starts the process. The thread that starts it stays for as long as
// it lives, because the system kills the child when that thread ends.
func (s *Server) spawn() {
	s.t.Helper()
	s.out, s.done = new(bytes.Buffer), make(chan struct{})
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = dieWithParent()
	started, cmd, done := make(chan error), s.cmd, s.done
	go func() {
		runtime.LockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is of no interest
		}
	}()
	if err := <-started; err != nil {
		s.cmd = nil
		s.t.Fatalf("starting %s (make needs installs it): %v", s.args[0], err)
	}
}

// await waits until the server answers.
func (s *Server) await() error {
	return await(s.done, func() error {
		// First without the client, which logs each failed dial.
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return err
		}
		_ = conn.Close()
		_, err = s.try("PING")
		return err
	})
}
