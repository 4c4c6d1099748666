package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// loaded loads settings as `serve` would.
func loaded(t *testing.T, args []string, env map[string]string) (*settings, error) {
	t.Helper()
	var s settings
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.addFlags(flags, serveSettings)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &s, s.load(flags, env)
}

func TestAFlagWinsOverTheEnvironmentThatOverTheFileThatOverTheDefault(t *testing.T) {
	config := mustWrite(t, filepath.Join(t.TempDir(), "c.yaml"), "access_ttl: 2m\n")
	for _, c := range []struct {
		name   string
		args   []string
		env    map[string]string
		want   time.Duration
		origin string
	}{
		{"default", nil, nil, 5 * time.Minute, ""},
		{"file", []string{"--config", config}, nil, 2 * time.Minute, "access_ttl in the configuration file"},
		{"file named by the environment", nil, map[string]string{"SEALRING_CONFIG": config}, 2 * time.Minute, "access_ttl in the configuration file"},
		{"environment", []string{"--config", config}, map[string]string{"SEALRING_ACCESS_TTL": "3m"}, 3 * time.Minute, "SEALRING_ACCESS_TTL"},
		{"an empty variable is none", []string{"--config", config}, map[string]string{"SEALRING_ACCESS_TTL": ""}, 2 * time.Minute, "access_ttl in the configuration file"},
		{"flag", []string{"--config", config, "--access-ttl", "4m"}, map[string]string{"SEALRING_ACCESS_TTL": "3m"}, 4 * time.Minute, "--access-ttl"},
		{"a flag with the default's value", []string{"--config", config, "--access-ttl", "5m"}, nil, 5 * time.Minute, "--access-ttl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := loaded(t, c.args, c.env)
			if err != nil || s.AccessTTL != c.want || s.origin["access_ttl"] != c.origin {
				t.Errorf("access_ttl = %v from %q, %v; want %v from %q", s.AccessTTL, s.origin["access_ttl"], err, c.want, c.origin)
			}
		})
	}
}

func TestAListIsSeparatedByCommasOrIsOneOfYAML(t *testing.T) {
	want := []string{"orders", "payments"}
	block := mustWrite(t, filepath.Join(t.TempDir(), "c.yaml"), "audiences:\n  - orders\n  - payments\n")
	for name, load := range map[string]func() (*settings, error){
		"flag": func() (*settings, error) { return loaded(t, []string{"--audiences", "orders, payments"}, nil) },
		"environment": func() (*settings, error) {
			return loaded(t, nil, map[string]string{"SEALRING_AUDIENCES": "orders,payments"})
		},
		"YAML": func() (*settings, error) { return loaded(t, []string{"--config", block}, nil) },
	} {
		if s, err := load(); err != nil || !slices.Equal(s.Audiences, want) {
			t.Errorf("%s: %v, %v", name, s.Audiences, err)
		}
	}
}

func TestASecretComesFromItsVariableOrFromAFile(t *testing.T) {
	dir := t.TempDir()
	file := mustWrite(t, filepath.Join(dir, "token"), "from a file\r\n")
	config := mustWrite(t, filepath.Join(dir, "c.yaml"), "admin_token_file: "+file+"\n")
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"variable":              {nil, map[string]string{"SEALRING_ADMIN_TOKEN": "direct"}, "direct"},
		"variable of the file":  {nil, map[string]string{"SEALRING_ADMIN_TOKEN_FILE": file}, "from a file"},
		"flag":                  {[]string{"--admin-token-file", file}, nil, "from a file"},
		"configuration":         {[]string{"--config", config}, nil, "from a file"},
		"flag over variable":    {[]string{"--admin-token-file", file}, map[string]string{"SEALRING_ADMIN_TOKEN": "direct"}, "from a file"},
		"variable over the key": {[]string{"--config", config}, map[string]string{"SEALRING_ADMIN_TOKEN": "direct"}, "direct"},
	} {
		if s, err := loaded(t, c.args, c.env); err != nil || s.AdminToken.Reveal() != c.want {
			t.Errorf("%s: %q, %v", name, s.AdminToken.Reveal(), err)
		}
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"both":            {map[string]string{"SEALRING_ADMIN_TOKEN": "a", "SEALRING_ADMIN_TOKEN_FILE": file}, "which one is meant"},
		"an empty file":   {map[string]string{"SEALRING_ADMIN_TOKEN_FILE": mustWrite(t, filepath.Join(dir, "e"), "\n")}, "is empty"},
		"a missing file":  {map[string]string{"SEALRING_ADMIN_TOKEN_FILE": filepath.Join(dir, "m")}, "SEALRING_ADMIN_TOKEN_FILE: open"},
		"a file too long": {map[string]string{"SEALRING_ADMIN_TOKEN_FILE": mustWrite(t, filepath.Join(dir, "l"), strings.Repeat("x", maxSecretFile+1))}, "larger than"},
	} {
		if _, err := loaded(t, nil, c.env); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want usage: %s", name, err, c.want)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add("issuer: https://auth.example.com\naudiences: [a, b]\naccess_ttl: 5m\n")
	f.Add("? [a]\n: b\n")
	f.Add("a: &x [*x]\n")
	f.Add("audiences: [[a], {b: c}]")
	f.Fuzz(func(t *testing.T, text string) {
		path := mustWrite(t, filepath.Join(t.TempDir(), "c.yaml"), text)
		s, err := loaded(t, []string{"--config", path}, nil)
		if err == nil && s.AccessTTL <= 0 {
			t.Errorf("a life of %v", s.AccessTTL)
		}
	})
}
