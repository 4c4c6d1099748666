package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// setting is one declared setting.
type setting struct {
	name   string // the key in the configuration file: access_ttl
	kind   string // for the documentation
	def    string // default, as one would write it
	help   string
	secret bool // never a flag's value and never in the configuration file
	filed  bool // also in a file that the environment names, as a secret is

	parse func(string) error // sets the field
}

// flag is access-ttl, or client-secret-file for a secret.
func (d setting) flag() string { return strings.ReplaceAll(d.key(), "_", "-") }

// key is the name in the configuration file. A secret is not written there;
// the name of its file is.
func (d setting) key() string {
	if d.secret {
		return d.name + "_file"
	}
	return d.name
}

// envs are the names in the environment: SEALRING_ACCESS_TTL, and for what may
// be in a file the one of that beside it.
func (d setting) envs() []string {
	name := "SEALRING_" + strings.ToUpper(d.name)
	if d.filed {
		return []string{name, name + "_FILE"}
	}
	return []string{name}
}

func text(name string, into *string, def, help string) setting {
	return setting{name: name, kind: "text", def: def, help: help, parse: func(v string) error {
		*into = v
		return nil
	}}
}

func duration(name string, into *time.Duration, def time.Duration, help string) setting {
	return setting{name: name, kind: "duration", def: short(def), help: help, parse: func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 || d%time.Second != 0 {
			return fmt.Errorf("%q is not a duration of whole seconds like 90s, 5m or 12h", v)
		}
		*into = d
		return nil
	}}
}

func number(name string, into *uint64, def uint64, help string) setting {
	return setting{name: name, kind: "number", def: strconv.FormatUint(def, 10), help: help, parse: func(v string) error {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a number like 1000000", v)
		}
		*into = n
		return nil
	}}
}

// list is comma-separated in a flag or the environment, and may be a list in
// the configuration file.
func list(name string, into *[]string, help string) setting {
	return setting{name: name, kind: "list", help: help, parse: func(v string) error {
		*into = nil
		if v == "" {
			return nil
		}
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				return fmt.Errorf("%q has an empty item", v)
			}
			*into = append(*into, item)
		}
		return nil
	}}
}

// table is a list of names that sealing keys have codes for.
func table(name string, into **keys.Names, help string) setting {
	var items []string
	d := list(name, &items, help)
	read := d.parse
	d.parse = func(v string) (err error) {
		if err = read(v); err == nil {
			*into, err = keys.NewNames(items)
		}
		return err
	}
	return d
}

func secret(name string, into *tokens.Secret, help string) setting {
	return setting{name: name, kind: "secret", help: help, secret: true, filed: true, parse: func(v string) error {
		*into = tokens.Secret(v)
		return nil
	}}
}

// address is a URL that may hold a secret, but need not.
func address(name string, into *tokens.Secret, help string) setting {
	d := secret(name, into, help)
	d.kind, d.secret = "URL", false
	return d
}

// short writes 5m0s as 5m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// isSetting marks the flags of settings: a command may have another flag of the
// same name.
const isSetting = "sealring_setting"

// addFlags makes flags of the named settings, and --config with them.
func (s *settings) addFlags(flags *pflag.FlagSet, names []string) {
	if len(names) == 0 {
		return
	}
	flags.String("config", "", "configuration file (YAML)")
	for _, d := range s.declared() {
		for _, name := range names {
			if d.name == name {
				flags.String(d.flag(), d.def, d.usage())
				_ = flags.SetAnnotation(d.flag(), isSetting, nil) // of a flag that there is
			}
		}
	}
}

func (d setting) usage() string {
	if d.secret {
		return "file with: " + d.help
	}
	return d.help
}
