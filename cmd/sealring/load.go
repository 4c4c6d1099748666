package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/sealring-dev/sealring/tokens"
)

const (
	maxConfigFile = 1 << 20
	maxSecretFile = 4 << 10
)

// load fills the settings: flag, else environment, else configuration file,
// else default.
func (s *settings) load(flags *pflag.FlagSet, env map[string]string) error {
	declared := s.declared()
	file, err := readConfig(configPath(flags, env), declared)
	if err != nil {
		return err
	}
	fromEnv, err := readEnv(declared, env)
	if err != nil {
		return err
	}
	s.origin = make(map[string]string)
	k := koanf.New("\x00") // a delimiter no key has: they are flat
	for _, l := range []struct {
		values map[string]any
		origin func(setting) string
	}{
		{defaults(declared), func(setting) string { return "" }},
		{file, func(d setting) string { return d.key() + " in the configuration file" }},
		{fromEnv, envOrigin(env)},
		{fromFlags(declared, flags), func(d setting) string { return "--" + d.flag() }},
	} {
		if err := k.Load(confmap.Provider(l.values, "\x00"), nil); err != nil {
			return fmt.Errorf("loading settings: %w", err)
		}
		for _, d := range declared {
			if _, ok := l.values[d.name]; ok {
				s.origin[d.name] = l.origin(d)
			}
		}
	}
	for _, d := range declared {
		if err := d.take(k.Get(d.name)); err != nil {
			return usagef("%s: %w", s.where(d), err)
		}
	}
	return s.useProfile()
}

// where names a setting as its user wrote it.
func (s *settings) where(d setting) string {
	if o := s.origin[d.name]; o != "" {
		return o
	}
	return d.name
}

// take sets the field from a layer's value. A secret's value is the secret,
// or a file to read it from.
func (d setting) take(value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case secretFile:
		raw, err := readSecretFile(string(v))
		if err != nil {
			return err
		}
		return d.parse(raw)
	case tokens.Secret:
		return d.parse(v.Reveal())
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = fmt.Sprint(item)
		}
		return d.parse(strings.Join(items, ","))
	}
	return d.parse(fmt.Sprint(value))
}

// secretFile is the name of a file that holds a secret.
type secretFile string

func configPath(flags *pflag.FlagSet, env map[string]string) string {
	if path, _ := flags.GetString("config"); path != "" {
		return path
	}
	return env["SEALRING_CONFIG"]
}

func defaults(declared []setting) map[string]any {
	m := make(map[string]any)
	for _, d := range declared {
		if d.def != "" {
			m[d.name] = d.def
		}
	}
	return m
}

func fromFlags(declared []setting, flags *pflag.FlagSet) map[string]any {
	m := make(map[string]any)
	for _, d := range declared {
		f := flags.Lookup(d.flag())
		if f == nil || !f.Changed {
			continue
		}
		if _, ours := f.Annotations[isSetting]; ours {
			m[d.name] = d.wrap(f.Value.String())
		}
	}
	return m
}

// readEnv takes only the names it knows: others with our prefix may be there,
// because Kubernetes adds SEALRING_SERVICE_HOST for a service of that name.
func readEnv(declared []setting, env map[string]string) (map[string]any, error) {
	m := make(map[string]any)
	for _, d := range declared {
		names := d.envs()
		v := env[names[0]]
		switch {
		case !d.filed:
			if v != "" {
				m[d.name] = v
			}
		case v != "" && env[names[1]] != "":
			return nil, usagef("both %s and %s are set; which one is meant?", names[0], names[1])
		case v != "":
			m[d.name] = tokens.Secret(v)
		case env[names[1]] != "":
			m[d.name] = secretFile(env[names[1]])
		}
	}
	return m, nil
}

func envOrigin(env map[string]string) func(setting) string {
	return func(d setting) string {
		names := d.envs()
		if d.filed && env[names[0]] == "" {
			return names[1]
		}
		return names[0]
	}
}

// wrap marks the value of a secret's flag or key as the name of a file.
func (d setting) wrap(v string) any {
	if d.secret {
		return secretFile(v)
	}
	return v
}

// readConfig reads a configuration file. A key that is not a setting is an
// error that names its line: a misspelt setting must not silently keep its
// default.
func readConfig(path string, declared []setting) (map[string]any, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := readLimited(path, maxConfigFile)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if err := checkConfig(raw, declared); err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	parsed, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	values := make(map[string]any)
	for _, d := range declared {
		if v, ok := parsed[d.key()]; ok && v != nil {
			if d.secret {
				v = secretFile(fmt.Sprint(v))
			}
			values[d.name] = v
		}
	}
	return values, nil
}

func checkConfig(raw []byte, declared []setting) error {
	var doc yamlv3.Node
	if err := yamlv3.Unmarshal(raw, &doc); err != nil {
		return err
	}
	if len(doc.Content) == 0 {
		return nil // nothing but comments
	}
	if doc.Content[0].Kind != yamlv3.MappingNode {
		return errors.New("not a list of `setting: value` lines")
	}
	for i, pairs := 0, doc.Content[0].Content; i+1 < len(pairs); i += 2 {
		if err := checkEntry(pairs[i], pairs[i+1], declared); err != nil {
			return fmt.Errorf("line %d: %w", pairs[i].Line, err)
		}
	}
	return nil
}

func checkEntry(key, value *yamlv3.Node, declared []setting) error {
	for _, d := range declared {
		switch {
		case key.Value == d.name && d.secret:
			return fmt.Errorf("a secret does not belong in the configuration file: write %s and the name of a file that holds it", d.key())
		case key.Value != d.key():
			continue
		case value.Kind == yamlv3.ScalarNode, value.Kind == yamlv3.SequenceNode && d.kind == "list":
			return nil
		}
		return fmt.Errorf("%s: want a %s", key.Value, d.kind)
	}
	return fmt.Errorf("unknown setting %q; `sealring settings` lists them all", key.Value)
}

// readSecretFile reads a secret without the line end that editors add.
func readSecretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readSecret(f, path)
}

// readSecret is readSecretFile of a file that is open already.
func readSecret(f io.Reader, path string) (string, error) {
	raw, err := limited(f, path, maxSecretFile)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(raw), "\r\n")
	if s == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return s, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f, path, limit)
}

func limited(f io.Reader, path string, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return raw, nil
}
