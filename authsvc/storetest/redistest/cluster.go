package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// slots is how many hash slots a cluster has.
const slots = 16384

// Cluster is a Redis Cluster of primaries without replicas.
type Cluster struct{ Servers []*Server }

// StartCluster makes a cluster of n primaries that share the slots evenly, in
// the order of Servers, and waits until each of them serves.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	c := new(Cluster)
	for range n {
		c.Servers = append(c.Servers, Start(t, "--cluster-enabled", "yes",
			"--cluster-port", strconv.Itoa(freePort(t)), "--cluster-node-timeout", "2000"))
	}
	for i, s := range c.Servers {
		s.Do("CLUSTER", "ADDSLOTSRANGE", slots*i/n, slots*(i+1)/n-1)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, s := range c.Servers[1:] {
		s.Do("CLUSTER", "MEET", "127.0.0.1", c.Servers[0].port, c.Servers[0].busPort())
	}
	for _, s := range c.Servers {
		if err := await(s.done, func() error { return s.joined(n) }); err != nil {
			t.Fatalf("joining a cluster: %v", err)
		}
	}
	return c
}

// Addrs lists the addresses of all servers.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, s := range c.Servers {
		all = append(all, s.Addr())
	}
	return all
}

// Client makes a client of the cluster, as Server.Client does of a server.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Owner is the server that keeps the key.
func (c *Cluster) Owner(key string) *Server {
	n := len(c.Servers)
	slot := int(c.Servers[0].Do("CLUSTER", "KEYSLOT", key).(int64))
	for i, s := range c.Servers {
		if slot >= slots*i/n && slot < slots*(i+1)/n {
			return s
		}
	}
	panic("redistest: a slot without an owner")
}

func (s *Server) busPort() int {
	for i, a := range s.args {
		if a == "--cluster-port" {
			port, _ := strconv.Atoi(s.args[i+1])
			return port
		}
	}
	return 0
}

// joined reports whether the server sees all n others and every slot served.
func (s *Server) joined(n int) error {
	info, err := s.try("CLUSTER", "INFO")
	if err != nil {
		return err
	}
	text := fmt.Sprint(info)
	for _, want := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d\r", n), fmt.Sprintf("cluster_size:%d\r", n)} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("%s lacks %q", s.Addr(), want)
		}
	}
	return nil
}
