package redisclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// ErrURL says that a text is not the URL of a Redis. No error of this package
// quotes a URL, since a password may be in it.
var ErrURL = errors.New("not the URL of a Redis")

const (
	serverPort   = "6379"
	sentinelPort = "26379"
	maxDB        = 1<<16 - 1
)

// schemes are the forms of a URL. With another s after redis it is under TLS.
var schemes = map[string]Mode{"redis": Single, "redis-sentinel": Sentinel, "redis-cluster": Cluster}

// ParseURL reads a URL of the forms in the package's description. ErrURL, with
// what is wrong.
//
// It does not use net/url for the whole, which knows but one host in a URL.
func ParseURL(raw tokens.Secret) (Config, error) {
	cfg, err := parseURL(raw.Reveal())
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return cfg, nil
}

func parseURL(raw string) (cfg Config, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return cfg, errors.New("it does not begin with redis://, rediss://, redis-sentinel:// or redis-cluster://")
	}
	if cfg.Mode, ok = schemes[strings.Replace(scheme, "rediss", "redis", 1)]; !ok {
		return cfg, errors.New("it begins with none of redis, rediss, redis-sentinel, rediss-sentinel, redis-cluster and rediss-cluster")
	}
	if strings.HasPrefix(scheme, "rediss") {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if strings.ContainsAny(rest, "?#") {
		return cfg, errors.New("it has a query or a fragment (write ? and # in a password as %3F and %23)")
	}
	authority, path, _ := strings.Cut(rest, "/")
	hosts := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		hosts = authority[i+1:]
		if err := cfg.setUser(authority[:i]); err != nil {
			return cfg, err
		}
	}
	if err := cfg.setAddrs(hosts); err != nil {
		return cfg, err
	}
	return cfg, cfg.setPath(path)
}

func (c *Config) setUser(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var err error
	if c.Username, err = url.PathUnescape(user); err != nil {
		return errors.New("the user has a % that encodes nothing")
	}
	if password, err = url.PathUnescape(password); err != nil {
		return errors.New("the password has a % that encodes nothing (write it as %25)")
	}
	c.Password = tokens.Secret(password)
	return nil
}

func (c *Config) setAddrs(text string) error {
	port := serverPort
	if c.Mode == Sentinel {
		port = sentinelPort
	}
	for part := range strings.SplitSeq(text, ",") {
		addr, err := address(part, port)
		if err != nil {
			return err
		}
		c.Addrs = append(c.Addrs, addr)
	}
	if c.Mode == Single && len(c.Addrs) > 1 {
		return errors.New("it has several hosts: write redis-sentinel or redis-cluster, whichever they are")
	}
	return nil
}

// address completes HOST, HOST:PORT, [IPv6] or [IPv6]:PORT.
func address(text, port string) (string, error) {
	host := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if ip := net.ParseIP(inner); !ok || ip == nil || !strings.Contains(inner, ":") {
			return "", errors.New("what stands in brackets is not an IPv6 address")
		}
		host = inner
	} else if host == "" || strings.ContainsAny(host, "[]: %\t\r\n") {
		return "", errors.New("a host is missing or no host (an IPv6 address stands in brackets)")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is not a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

// setPath reads [DB], or NAME[/DB] of a Sentinel.
func (c *Config) setPath(path string) error {
	db := path
	switch c.Mode {
	case Cluster:
		if path != "" {
			return errors.New("it has a path: a Cluster has no numbered databases")
		}
		return nil
	case Sentinel:
		var name string
		var err error
		name, db, _ = strings.Cut(path, "/")
		if c.Master, err = url.PathUnescape(name); err != nil || c.Master == "" {
			return errors.New("the name by which the Sentinels know the primary is missing: redis-sentinel://HOST,HOST/NAME")
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 || n > maxDB || strconv.Itoa(n) != db {
		return errors.New("the database at its end is not a number")
	}
	c.DB = n
	return nil
}
