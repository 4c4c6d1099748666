package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealring-dev/sealring/keys/redisclient"
)

// redisLoaded loads the settings of Redis alone.
func redisLoaded(t *testing.T, args []string, env map[string]string) (redisclient.Config, error) {
	t.Helper()
	var s settings
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s.addFlags(flags, redisUses)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := s.load(flags, env); err != nil {
		return redisclient.Config{}, err
	}
	return s.redisConfig()
}

func TestThePasswordOfRedisComesFromWhereSecretsMayBe(t *testing.T) {
	dir := t.TempDir()
	url := mustWrite(t, filepath.Join(dir, "url"), "rediss://ann:pw@db\n")
	password := mustWrite(t, filepath.Join(dir, "pw"), "pw\n")
	config := mustWrite(t, filepath.Join(dir, "c.yaml"), "redis: rediss://ann@db\nredis_password_file: "+password+"\n")
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
	}{
		"the URL in a variable":     {nil, map[string]string{"SEALRING_REDIS": "rediss://ann:pw@db"}},
		"the URL in a file":         {nil, map[string]string{"SEALRING_REDIS_FILE": url}},
		"a flag and a variable":     {[]string{"--redis", "rediss://ann@db"}, map[string]string{"SEALRING_REDIS_PASSWORD": "pw"}},
		"a flag and a file":         {[]string{"--redis", "rediss://ann@db", "--redis-password-file", password}, nil},
		"a flag, a file's variable": {[]string{"--redis", "rediss://ann@db"}, map[string]string{"SEALRING_REDIS_PASSWORD_FILE": password}},
		"the configuration file":    {[]string{"--config", config}, nil},
	} {
		cfg, err := redisLoaded(t, c.args, c.env)
		if err != nil || cfg.Username != "ann" || cfg.Password != "pw" || cfg.Addrs[0] != "db:6379" || cfg.TLS == nil {
			t.Errorf("%s: %+v, %v", name, cfg, err)
		}
	}
}

func TestTheAuthoritiesOfRedisAreThoseOfTheFile(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	cert := server.Certificate()
	file := mustWrite(t, filepath.Join(t.TempDir(), "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
	want := x509.NewCertPool()
	want.AddCert(cert)
	cfg, err := redisLoaded(t, []string{"--redis", "rediss://db", "--redis-ca-file", file}, nil)
	if err != nil || !cfg.TLS.RootCAs.Equal(want) {
		t.Errorf("%+v, %v", cfg.TLS, err)
	}
	if cfg, err = redisLoaded(t, []string{"--redis", "rediss://db"}, nil); err != nil || cfg.TLS.RootCAs != nil {
		t.Errorf("by default: %+v, %v", cfg.TLS, err)
	}
}

func TestSettingsOfRedisThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	empty := mustWrite(t, filepath.Join(dir, "ca.pem"), "no certificate\n")
	config := mustWrite(t, filepath.Join(dir, "c.yaml"), "redis: redis://ann:hunter22@db\n")
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"a password in a flag":           {[]string{"--redis", "redis://ann:hunter22@db"}, nil, "--redis has a password in it"},
		"a password in the file":         {[]string{"--config", config}, nil, "redis in the configuration file has a password in it"},
		"the way out is named":           {[]string{"--redis", "redis://:hunter22@db"}, nil, "SEALRING_REDIS_PASSWORD or in a file with --redis-password-file"},
		"two passwords":                  {nil, map[string]string{"SEALRING_REDIS": "redis://:hunter22@db", "SEALRING_REDIS_PASSWORD": "x"}, "both SEALRING_REDIS and SEALRING_REDIS_PASSWORD have a password"},
		"the URL in two places":          {nil, map[string]string{"SEALRING_REDIS": "redis://db", "SEALRING_REDIS_FILE": config}, "both SEALRING_REDIS and SEALRING_REDIS_FILE are set"},
		"no URL in a flag":               {[]string{"--redis", "db:6379"}, nil, "--redis: not the URL of a Redis: it does not begin with"},
		"no URL in a variable":           {nil, map[string]string{"SEALRING_REDIS": "redis://db:hunter22"}, "SEALRING_REDIS: not the URL of a Redis: a port"},
		"authorities without TLS":        {[]string{"--redis", "redis://db", "--redis-ca-file", empty}, nil, "--redis-ca-file is set, but --redis is not under TLS"},
		"a file without an authority":    {[]string{"--redis", "rediss://db", "--redis-ca-file", empty}, nil, "holds no certificate"},
		"an authority that is not there": {[]string{"--redis", "rediss://db", "--redis-ca-file", filepath.Join(dir, "none")}, nil, "--redis-ca-file: open"},
	} {
		_, err := redisLoaded(t, c.args, c.env)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want usage: %s", name, err, c.want)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the error quotes the password: %v", name, err)
		}
	}
}

func TestWithoutRedisNothingIsShared(t *testing.T) {
	if s, err := loaded(t, nil, nil); err != nil || s.shared() {
		t.Errorf("shared() by default, %v", err)
	}
}
