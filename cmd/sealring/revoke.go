package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// revocationRequest is what POST /admin/v1/revocations takes.
type revocationRequest struct {
	Type   string    `json:"type"`
	Value  string    `json:"value,omitempty"`
	Before time.Time `json:"before,omitzero"`
}

// revocationView is what it answers.
type revocationView struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Made    time.Time `json:"made,omitzero"`
	Expires time.Time `json:"expires"`
}

func (a *app) revokeCommand() *cobra.Command {
	var session, subject, token, client, before string
	var all bool
	c := &cobra.Command{
		Use: "revoke (--session SID | --subject SUB | --token JTI | --client ID | --all)", Short: "Stop trusting something, everywhere, within a second",
		Long: `Stop trusting a session, everything of a subject or of a client, one token, or
everything. It goes through the admin API; when the command returns, the
revocation is on disk and on its way to every service. It cannot be undone:
whoever is to be let in again logs in again.`,
		Example: `  sealring revoke --subject u-8c1f
  sealring revoke --all --before 2026-11-21T09:00:00Z`,
		Args: cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&session, "session", "", "a session, by its sid")
	flags.StringVar(&subject, "subject", "", "every session of a subject (sub)")
	flags.StringVar(&token, "token", "", "one access token, by its jti")
	flags.StringVar(&client, "client", "", "everything issued to a client, by its id")
	flags.BoolVar(&all, "all", false, "everything")
	flags.StringVar(&before, "before", "", "with --subject, --client, --all: logins before this time (RFC 3339; default: now)")
	c.MarkFlagsMutuallyExclusive("session", "subject", "token", "client", "all")
	c.MarkFlagsOneRequired("session", "subject", "token", "client", "all")
	uses := []string{"data", "admin_url", "admin_listen", "admin_token"}
	return a.printing(a.command(c, uses, func(ctx context.Context, _ []string) error {
		req := revocationRequest{Type: "all"}
		for kind, value := range map[string]string{"session": session, "subject": subject, "token": token, "client": client} {
			if value != "" {
				req = revocationRequest{Type: kind, Value: value}
			}
		}
		if req.Type == "all" && !all {
			return usagef("an empty value revokes nothing")
		}
		if err := req.before(before); err != nil {
			return err
		}
		made, err := a.postRevocation(ctx, req)
		if err != nil {
			return err
		}
		return a.print(made, []string{"TYPE", "ID", "TIME", "KEPT UNTIL"},
			[][]string{{made.Type, made.ID, moment(made.Time), moment(made.Expires)}})
	}))
}

func (r *revocationRequest) before(text string) error {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return usagef("--before %q is not a time like 2026-11-21T09:00:00Z", text)
	}
	if r.Type == "session" || r.Type == "token" {
		return usagef("--before goes with --subject, --client or --all")
	}
	r.Before = t
	return nil
}

const (
	adminTimeout = 15 * time.Second
	maxAnswer    = 64 << 10
)

func (a *app) postRevocation(ctx context.Context, body revocationRequest) (*revocationView, error) {
	token, err := a.settings.adminToken()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.settings.adminURL()+"/admin/v1/revocations", bytes.NewReader(raw))
	if err != nil {
		return nil, usagef("admin_url: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the admin API (is the service running? --admin-url names another): %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return nil, problem(resp.StatusCode, answer)
	}
	var made revocationView
	if err := json.Unmarshal(answer, &made); err != nil {
		return nil, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return &made, nil
}

// problem makes an error of an RFC 9457 answer.
func problem(status int, raw []byte) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	switch err := json.Unmarshal(raw, &p); {
	case status == http.StatusUnauthorized:
		return errors.New("the admin API does not take this admin token: it is of another data folder")
	case err != nil || p.Title == "":
		return fmt.Errorf("the admin API answered %d %s", status, http.StatusText(status))
	case p.Detail == "":
		return fmt.Errorf("the admin API answered %d: %s", status, printable(p.Title))
	}
	return fmt.Errorf("the admin API answered %d: %s: %s", status, printable(p.Title), printable(p.Detail))
}
