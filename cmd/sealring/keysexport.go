package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/keys"
)

func (a *app) keysExport() *cobra.Command {
	var format, dir string
	var dry bool
	c := &cobra.Command{
		Use: "export --format jwks|pem --dir DIR", Short: "Write the public keys for verifiers that read files",
		Long: `Write the public keys that are in the key set now, the standby included:

  jwks  DIR/jwks.json, what the service has at /.well-known/jwks.json;
        without --dir to standard output
  pem   DIR/KID.pem, one for each access token key, and DIR/haproxy.cfg

Each file is replaced as a whole; the file of a key that has left the set is
removed. Nothing secret is written.

HAProxy verifies with jwt_verify, which takes an algorithm and a file that has
to be named in its configuration: it reads key files only when it starts, and
cannot choose one by kid itself. haproxy.cfg has the rules that do it, to be
put into a frontend; they check signature, typ, exp, and iss if --issuer is
set. HAProxy does not hear of revocations: keep access_ttl short, or ask
/v1/verify too, as deploy/haproxy does. Export again and reload HAProxy after each rotation (the standby is
in the files, so there is a day for it) and at once after a revoke. It takes
ES256 and RS256, not EdDSA.`,
		Example: `  sealring keys export --format pem --dir /etc/haproxy/keys --issuer https://auth.example.com`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&format, "format", "", "jwks or pem (required)")
	c.Flags().StringVar(&dir, "dir", "", "folder to write to; made if it is not there")
	dryRun(c, &dry)
	uses := append([]string{"issuer"}, ringOnly...)
	return a.printing(a.command(c, uses, func(ctx context.Context, _ []string) error {
		if format != "jwks" && format != "pem" {
			return usagef("--format is jwks or pem, not %q", format)
		}
		if dir == "" && format == "pem" {
			return usagef("--dir is missing: where to write one file for each key")
		}
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		set := f.Ring().PublicSet(time.Now())
		if dir == "" {
			_, err := fmt.Fprintf(a.stdout, "%s\n", set.JWKS())
			return err
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		out := &export{dir: dir}
		if format == "jwks" {
			out.add("jwks.json", append(set.JWKS(), '\n'))
		} else if err := a.exportPEM(out, set); err != nil {
			return err
		}
		return a.write(out, dry)
	}))
}

// export is a folder's new content.
type export struct {
	dir   string
	files []exported
	stale []string
}

type exported struct {
	name    string
	content []byte
}

func (e *export) add(name string, content []byte) {
	e.files = append(e.files, exported{name, content})
}

// exportPEM adds the keys, then the rules that name them, and finds the files
// of keys that are no more.
func (a *app) exportPEM(out *export, set *keys.Set) error {
	var signing []keys.Key
	for _, k := range set.Keys() {
		if k.Purpose != keys.AccessToken {
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return fmt.Errorf("encoding key %s: %w", k.ID, err)
		}
		out.add(k.ID+".pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		signing = append(signing, k)
	}
	out.add("haproxy.cfg", []byte(haproxyRules(out.dir, a.settings.Issuer, signing)))
	if slices.ContainsFunc(signing, func(k keys.Key) bool { return k.Alg == keys.EdDSA }) {
		a.say("HAProxy cannot verify EdDSA: haproxy.cfg leaves those keys out.")
	}
	entries, err := os.ReadDir(out.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking into the folder: %w", err)
	}
	for _, e := range entries {
		kid, ok := strings.CutSuffix(e.Name(), ".pem")
		if ok && isKID(kid) && !slices.ContainsFunc(signing, func(k keys.Key) bool { return k.ID == kid }) {
			out.stale = append(out.stale, e.Name())
		}
	}
	return nil
}

// isKID tells names that only this command gives: 43 characters of base64url.
func isKID(s string) bool {
	return len(s) == 43 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// haproxyRules are the rules of a frontend.
func haproxyRules(dir, issuer string, signing []keys.Key) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Rules for a frontend: let nothing through without a valid access token.")
	line("# Made by `sealring keys export`. Make them anew and reload after each change of the keys.")
	line("http-request set-var(txn.sealring_kid) http_auth_bearer,jwt_header_query('$.kid')")
	line("http-request set-var(txn.sealring_ok) int(0)")
	for _, k := range signing {
		if k.Alg != keys.EdDSA {
			line("http-request set-var(txn.sealring_ok) http_auth_bearer,jwt_verify(\"%s\",\"%s\") if { var(txn.sealring_kid) -m str \"%s\" } { http_auth_bearer,jwt_header_query('$.alg') -m str %s }",
				k.Alg, filepath.Join(dir, k.ID+".pem"), k.ID, k.Alg)
		}
	}
	line("http-request deny deny_status 401 unless { var(txn.sealring_ok) -m int 1 }")
	line("http-request deny deny_status 401 unless { http_auth_bearer,jwt_header_query('$.typ') -m str \"at+jwt\" }")
	line("http-request set-var(txn.sealring_now) date()")
	line("http-request deny deny_status 401 unless { http_auth_bearer,jwt_payload_query('$.exp','int'),sub(txn.sealring_now) -m int gt 0 }")
	if issuer != "" {
		line("http-request deny deny_status 401 unless { http_auth_bearer,jwt_payload_query('$.iss') -m str \"%s\" }", issuer)
	}
	line("# Check the audience too, where tokens may be for others: jwt_payload_query('$.aud').")
	return b.String()
}

type exportView struct {
	DryRun  bool     `json:"dry_run"`
	Dir     string   `json:"dir"`
	Written []string `json:"written"`
	Removed []string `json:"removed"`
}

// write puts the files there, the rules last, and then removes what is stale:
// at no moment does a file name one that is not there.
func (a *app) write(out *export, dry bool) error {
	view := exportView{DryRun: dry, Dir: out.dir, Written: []string{}, Removed: append([]string{}, out.stale...)}
	var rows [][]string
	for _, f := range out.files {
		view.Written = append(view.Written, f.name)
		rows = append(rows, []string{"written", filepath.Join(out.dir, f.name)})
	}
	for _, name := range out.stale {
		rows = append(rows, []string{"removed", filepath.Join(out.dir, name)})
	}
	if !dry {
		if err := out.carryOut(); err != nil {
			return err
		}
	}
	if err := a.print(view, []string{"DONE", "FILE"}, rows); err != nil {
		return err
	}
	if dry {
		a.unchanged()
	}
	return nil
}

func (e *export) carryOut() error {
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	for _, f := range e.files {
		if err := renameio.WriteFile(filepath.Join(e.dir, f.name), f.content, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", f.name, err)
		}
	}
	for _, name := range e.stale {
		if err := os.Remove(filepath.Join(e.dir, name)); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}
