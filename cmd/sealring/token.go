package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/tokens"
)

const tokenInput = `The token is read from FILE, or from standard input for -. It is never an
argument: arguments can be seen by everybody on the machine (ps), and stay in
the history of the shell.`

func (a *app) tokenCommand() *cobra.Command {
	return group("token", "Look into tokens and cookies", a.tokenInspect(), a.tokenExplain())
}

func (a *app) tokenInspect() *cobra.Command {
	c := &cobra.Command{
		Use: "inspect FILE|-", Short: "Decode a token or a cookie without trusting it",
		Long: `Decode a token without a key and WITHOUT TRUST: it shows what anybody may have
written. Of a sealed one (a session cookie, a refresh token) only the header can
be seen. ` + "`sealring token explain`" + ` says whether it is accepted.

` + tokenInput,
		Example: `  pbpaste | sealring token inspect -`,
		Args:    cobra.ExactArgs(1),
	}
	return a.printing(a.command(c, nil, func(_ context.Context, args []string) error {
		raw, err := a.readToken(args[0])
		if err != nil {
			return err
		}
		in, err := tokens.InspectUnverified(raw)
		if err != nil {
			return err
		}
		a.say("Not verified: anybody may have written this.")
		return a.printInspection(in)
	}))
}

// inspectionView has JSON where all readers read it alike. Else it has the
// bytes in base64url, and what is wrong with them.
type inspectionView struct {
	Header       any    `json:"header"`
	HeaderFault  string `json:"header_fault,omitempty"`
	Payload      any    `json:"payload,omitempty"`
	PayloadFault string `json:"payload_fault,omitempty"`
	Sealed       bool   `json:"sealed"`
}

func (a *app) printInspection(in *tokens.Inspection) error {
	view := inspectionView{
		Header: document(in.Header, in.HeaderFault), HeaderFault: in.HeaderFault,
		PayloadFault: in.PayloadFault, Sealed: in.Sealed,
	}
	rows := partRows("header", in.Header, in.HeaderFault)
	if in.Sealed {
		a.say("It is sealed: its payload can only be seen with the key (sealring token explain).")
	} else {
		view.Payload = document(in.Payload, in.PayloadFault)
		rows = append(rows, partRows("payload", in.Payload, in.PayloadFault)...)
	}
	return a.print(view, []string{"PART", "NAME", "VALUE", "MEANS"}, rows)
}

func document(raw []byte, fault string) any {
	if fault == "" {
		return json.RawMessage(raw)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// mostRaw is how many bytes of what is not JSON a table shows.
const mostRaw = 4 << 10

// partRows lists the members of a part. Of one with a fault, it lists the raw
// bytes, too, and the members that can be made out.
func partRows(part string, raw []byte, fault string) [][]string {
	if fault == "" {
		return memberRows(part, raw)
	}
	value := base64.RawURLEncoding.EncodeToString(raw[:min(len(raw), mostRaw)])
	if len(raw) > mostRaw {
		value += "..."
	}
	rows := [][]string{{part, "(base64url)", value, fmt.Sprintf("%d bytes, no strict JSON: %s", len(raw), fault)}}
	if json.Valid(raw) {
		rows = append(rows, memberRows(part, raw)...)
	}
	return rows
}

// memberRows lists the members of an object as they stand in it.
func memberRows(part string, raw []byte) [][]string {
	var rows [][]string
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return [][]string{{part, "", string(raw), ""}}
	}
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			break
		}
		rows = append(rows, []string{part, fmt.Sprint(name), string(value), meaning(fmt.Sprint(name), value)})
	}
	return rows
}

// meaning is the time that a numeric date stands for.
func meaning(name string, value json.RawMessage) string {
	var seconds int64
	switch name {
	case "exp", "iat", "nbf", "auth_time":
		if json.Unmarshal(value, &seconds) == nil {
			return moment(time.Unix(seconds, 0))
		}
	}
	return ""
}

func (a *app) tokenExplain() *cobra.Command {
	var jwks []string
	c := &cobra.Command{
		Use: "explain FILE|-", Short: "Say check by check why a token or a cookie is accepted or not",
		Long: `Say check by check why an access token, a session cookie or a refresh token is
accepted or not. Of a cookie, the seal is checked and then the token inside.

The keys are those of the ring in the data folder or, on a machine that has
none, of the key sets that --jwks names: files or URLs. A session cookie needs
the session keys beside the public ones. Revocations are not looked at. The exit
code is 1 if it is not accepted.

` + tokenInput,
		Example: `  sealring token explain --issuer https://auth.example.com --audiences orders \
      --jwks https://auth.example.com/.well-known/jwks.json token.txt`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringArrayVar(&jwks, "jwks", nil, "file or URL of a key set, instead of the ring; may be given again")
	uses := append([]string{"issuer", "audiences", "clock_skew"}, ringOnly...)
	return a.printing(a.command(c, uses, func(ctx context.Context, args []string) error {
		if a.settings.Issuer == "" || len(a.settings.Audiences) == 0 {
			return usagef("say what to expect: --issuer URL and --audiences NAME")
		}
		raw, err := a.readToken(args[0])
		if err != nil {
			return err
		}
		src, err := a.keySource(ctx, jwks)
		if err != nil {
			return err
		}
		expect := tokens.Expect{Issuer: a.settings.Issuer, Audiences: a.settings.Audiences, Leeway: a.settings.ClockSkew}
		return a.printChecks(tokens.Explain(raw, src, expect, time.Now()))
	}))
}

type checkView struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail,omitempty"`
}

func (a *app) printChecks(checks []tokens.Check) error {
	views, rows := []checkView{}, [][]string{}
	accepted := true
	for _, c := range checks {
		v := checkView{Check: c.Name, Result: "ok", Detail: c.Detail}
		switch {
		case c.Skipped:
			v.Result = "skipped"
		case !c.OK:
			v.Result = "FAILED"
		}
		accepted = accepted && c.OK
		views = append(views, v)
		rows = append(rows, []string{v.Check, v.Result, v.Detail})
	}
	if err := a.print(views, []string{"CHECK", "RESULT", "DETAIL"}, rows); err != nil {
		return err
	}
	if !accepted {
		return fmt.Errorf("not accepted")
	}
	a.say("Accepted, unless it is revoked.")
	return nil
}

// readToken reads a token from a file or from standard input.
func (a *app) readToken(name string) (string, error) {
	if name == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.stdin, tokens.MaxBytesLen+1))
		if err != nil {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
		return strings.TrimSpace(string(raw)), nil
	}
	if strings.Count(name, ".") >= 2 && !exists(name) {
		return "", usagef("that looks like a token. Give a FILE, or - for standard input: an argument can be seen by everybody on this machine")
	}
	raw, err := readLimited(name, tokens.MaxBytesLen)
	if err != nil {
		return "", fmt.Errorf("reading token: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
