package redisclient_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/tokens"
)

func TestURLsThatAreRead(t *testing.T) {
	for url, want := range map[string]redisclient.Config{
		"redis://db":                     {Addrs: []string{"db:6379"}},
		"redis://db/":                    {Addrs: []string{"db:6379"}},
		"redis://db:7000/3":              {Addrs: []string{"db:7000"}, DB: 3},
		"redis://10.0.0.1":               {Addrs: []string{"10.0.0.1:6379"}},
		"redis://[::1]":                  {Addrs: []string{"[::1]:6379"}},
		"redis://[fd00::1]:7000/0":       {Addrs: []string{"[fd00::1]:7000"}},
		"redis://ann@db":                 {Addrs: []string{"db:6379"}, Username: "ann"},
		"redis://ann:pw@db":              {Addrs: []string{"db:6379"}, Username: "ann", Password: "pw"},
		"redis://:p%40%3F%2F%25:@w@db/1": {Addrs: []string{"db:6379"}, Password: "p@?/%:@w", DB: 1},
		"redis://a%3Ab:c@db":             {Addrs: []string{"db:6379"}, Username: "a:b", Password: "c"},
		"redis-sentinel://s1,s2:7000,[::1]/main": {
			Mode: redisclient.Sentinel, Addrs: []string{"s1:26379", "s2:7000", "[::1]:26379"}, Master: "main"},
		"redis-sentinel://ann:pw@s1/my%20main/2": {
			Mode: redisclient.Sentinel, Addrs: []string{"s1:26379"}, Master: "my main", DB: 2, Username: "ann", Password: "pw"},
		"redis-cluster://ann@c1:7001,c2": {
			Mode: redisclient.Cluster, Addrs: []string{"c1:7001", "c2:6379"}, Username: "ann"},
	} {
		for scheme, secure := range map[string]bool{"redis": false, "rediss": true} {
			got, err := redisclient.ParseURL(tokens.Secret(strings.Replace(url, "redis", scheme, 1)))
			if err != nil {
				t.Errorf("%s as %s: %v", url, scheme, err)
				continue
			}
			if secure != (got.TLS != nil) {
				t.Errorf("%s as %s: TLS is %v", url, scheme, got.TLS)
			}
			if got.Mode != want.Mode || !slices.Equal(got.Addrs, want.Addrs) || got.Master != want.Master ||
				got.DB != want.DB || got.Username != want.Username || got.Password != want.Password {
				t.Errorf("%s: %+v", url, got)
			}
			client, err := redisclient.New(got)
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			_ = client.Close()
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, want := range map[string]string{
		"":                              "does not begin with redis://",
		"db:6379":                       "does not begin with redis://",
		"http://db":                     "begins with none of",
		"Redis://db":                    "begins with none of",
		"unix:///run/redis.sock":        "begins with none of",
		"redis-rediss://db":             "begins with none of",
		"redis://":                      "host is missing",
		"redis:///1":                    "host is missing",
		"redis://a:hunter22@":           "host is missing",
		"redis://db,":                   "host is missing",
		"redis://:6379":                 "host is missing",
		"redis://::1":                   "stands in brackets",
		"redis://[db]":                  "not an IPv6 address",
		"redis://[::1":                  "not an IPv6 address",
		"redis://[127.0.0.1]":           "not an IPv6 address",
		"redis://db:":                   "port is not a number",
		"redis://db:0":                  "port is not a number",
		"redis://db:65536":              "port is not a number",
		"redis://db:hunter22":           "port is not a number",
		"redis://a:hunter22/x@db":       "port is not a number", // a slash that was not encoded
		"redis://a,b":                   "several hosts",
		"redis://db/x":                  "database",
		"redis://db/-1":                 "database",
		"redis://db/01":                 "database",
		"redis://db/65536":              "database",
		"redis://db/1/2":                "database",
		"redis://db?db=1":               "query",
		"redis://a:hunter22#x@db":       "query or a fragment",
		"redis://a:hunter22%zz@db":      "the password has a %",
		"redis://a%zz:hunter22@db":      "the user has a %",
		"redis-sentinel://s1":           "name by which the Sentinels",
		"redis-sentinel://s1//1":        "name by which the Sentinels",
		"redis-sentinel://s1/main/x":    "database",
		"redis-cluster://c1/1":          "no numbered databases",
		"redis-cluster://c1 ,hunter22/": "no host",
	} {
		_, err := redisclient.ParseURL(tokens.Secret(url))
		if !errors.Is(err, redisclient.ErrURL) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the error quotes it: %v", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://ann:pw@db:7000/3")
	f.Add("rediss-sentinel://s1,s2:7000,[::1]/main/1")
	f.Add("redis-cluster://c1:7001,c2")
	f.Fuzz(func(t *testing.T, url string) {
		cfg, err := redisclient.ParseURL(tokens.Secret(url))
		if err != nil {
			return
		}
		client, err := redisclient.New(cfg)
		if err != nil {
			t.Fatalf("%q is read, but makes no client: %v", url, err)
		}
		_ = client.Close()
	})
}
