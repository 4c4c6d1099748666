package redisstore

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// cuttable is a primary with one standby under a Sentinel, whose replication
// goes through a proxy.
type cuttable struct {
	*redistest.Sentinel
	t    *testing.T
	link *proxy
}

func newCuttable(t *testing.T) *cuttable {
	t.Helper()
	c := &cuttable{Sentinel: redistest.StartSentinel(t, 1), t: t}
	t.Cleanup(func() {
		if c.link != nil {
			c.link.cut()
		}
	})
	return c
}

func (c *cuttable) standby() *redistest.Server {
	if c.Servers[0] == c.Primary() {
		return c.Servers[1]
	}
	return c.Servers[0]
}

// cut lets the standby replicate through a proxy, and then cuts that. (Only
// now: Sentinel would notice, after some seconds, that the standby follows
// somebody else than the primary.)
func (c *cuttable) cut() {
	c.t.Helper()
	c.Replicate()
	standby := c.standby()
	c.link = newProxy(c.t, c.Primary().Addr())
	host, port, _ := net.SplitHostPort(c.link.listener.Addr().String())
	standby.Do("REPLICAOF", host, port)
	eventually(c.t, "the standby replicates through the proxy", func() bool { return linked(standby) })
	c.link.cut()
	eventually(c.t, "the link is down", func() bool { return !linked(standby) })
}

func linked(s *redistest.Server) bool {
	return strings.Contains(fmt.Sprint(s.Do("INFO", "replication")), "master_link_status:up")
}

// failOver kills the primary, waits until the standby has taken over, and
// brings the other back as its standby.
func (c *cuttable) failOver() {
	c.t.Helper()
	old := c.Primary()
	c.FailOver()
	host, port, _ := net.SplitHostPort(c.Primary().Addr())
	old.Restart()
	old.Do("REPLICAOF", host, port)
	eventually(c.t, "the old primary is a standby", func() bool { return linked(old) })
	eventually(c.t, "the sentinel can fail over again", func() bool {
		return strings.Contains(fmt.Sprint(c.Sentinel.Sentinel.Do("INFO", "sentinel")), "status=ok") &&
			len(c.healthy()) == 1
	})
}

// healthy lists the standbys that the sentinel takes to be well.
func (c *cuttable) healthy() (names []string) {
	all, _ := c.Sentinel.Sentinel.Do("SENTINEL", "REPLICAS", redistest.MasterName).([]any)
	for _, one := range all {
		fields, _ := one.(map[any]any)
		if fields["flags"] == "slave" && fields["master-link-status"] == "ok" {
			names = append(names, fmt.Sprint(fields["name"]))
		}
	}
	return names
}

// proxy passes connections on until it is cut.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	down     bool
	running  sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.pass(c, to)
		}
	})
	return p
}

func (p *proxy) pass(c net.Conn, to string) {
	d, err := net.Dial("tcp", to)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c, d)
	if p.down {
		_, _ = c.Close(), d.Close()
		return
	}
	for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
		p.running.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = way[0].Close(), way[1].Close()
		})
	}
}

// cut ends all connections and takes no more.
func (p *proxy) cut() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.down = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
