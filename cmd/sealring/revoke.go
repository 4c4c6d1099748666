package main

import (
	"context"
	"fmt"
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

// revocationView is what it answers. The last two are there when the
// revocation could not be shared with the other replicas yet.
type revocationView struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Made    time.Time `json:"made,omitzero"`
	Expires time.Time `json:"expires"`
	Durable *bool     `json:"durable,omitempty"`
	Shared  *bool     `json:"shared,omitempty"`
}

const notSharedYet = `The store that the replicas share is away. The revocation is on the disk of this
replica and in force at the services that follow it; the other replicas learn of
it when the store is back. There is nothing to repeat.`

func (a *app) revokeCommand() *cobra.Command {
	var session, subject, user, token, client, key, before string
	var all, claims bool
	c := &cobra.Command{
		Use: "revoke (--session SID | --subject SUB [--claims] | --user NAME [--claims] | --token JTI | --client ID | --key KID | --all)", Short: "Stop trusting something, everywhere, within a second",
		Long: `Stop trusting a session, everything of a subject or of a client, one token, what
a key signed, or everything. A user's name is not what tokens carry: --user looks
the subject up in the user file of the data folder. It goes through the admin
API; when the command returns, the revocation is on disk and on its way to every
service. While the store that the replicas share is away, it is in force at the
services that follow this replica, and the command says so. It cannot be undone:
whoever is to be let in again logs in again.

With --claims nobody is logged out: roles or scopes have changed, and the access
tokens that say the old ones are refused until their owner refreshes. For the
built-in user file a running service does this by itself.`,
		Example: `  sealring revoke --user ann
  sealring revoke --subject u-8c1f
  sealring revoke --subject u-8c1f --claims
  sealring revoke --all --before 2026-11-21T09:00:00Z`,
		Args: cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&session, "session", "", "a session, by its sid")
	flags.StringVar(&subject, "subject", "", "every session of a subject (sub)")
	flags.StringVar(&user, "user", "", "every session of a user of the built-in user file, by name")
	flags.StringVar(&token, "token", "", "one access token, by its jti")
	flags.StringVar(&client, "client", "", "everything issued to a client, by its id")
	flags.StringVar(&key, "key", "", "everything that a key signed, by its kid (\"sealring keys revoke\" replaces the key as well)")
	flags.BoolVar(&all, "all", false, "everything")
	flags.BoolVar(&claims, "claims", false, "with --subject, --user: only what the access tokens say, not the sessions")
	flags.StringVar(&before, "before", "", "with --subject, --user, --client, --all: logins before this time (RFC 3339; default: now)")
	c.MarkFlagsMutuallyExclusive("session", "subject", "user", "token", "client", "key", "all")
	c.MarkFlagsOneRequired("session", "subject", "user", "token", "client", "key", "all")
	uses := []string{"data", "admin_url", "admin_listen", "admin_token"}
	return a.printing(a.command(c, uses, func(ctx context.Context, _ []string) error {
		if user != "" {
			var err error
			if subject, err = a.subjectOf(user); err != nil {
				return err
			}
		}
		req := revocationRequest{Type: "all"}
		for kind, value := range map[string]string{"session": session, "subject": subject, "token": token, "client": client, "key": key} {
			if value != "" {
				req = revocationRequest{Type: kind, Value: value}
			}
		}
		if req.Type == "all" && !all {
			return usagef("an empty value revokes nothing")
		}
		if claims {
			if req.Type != "subject" {
				return usagef("--claims goes with --subject or --user")
			}
			req.Type = "claims"
		}
		if err := req.before(before); err != nil {
			return err
		}
		made, err := a.postRevocation(ctx, req)
		if err != nil {
			return err
		}
		if made.Shared != nil && !*made.Shared {
			a.say(notSharedYet)
		}
		if subject != "" && user == "" {
			a.warnOfSubject(ctx, subject, claims)
		}
		return a.print(made, []string{"TYPE", "ID", "TIME", "KEPT UNTIL"},
			[][]string{{made.Type, made.ID, moment(made.Time), moment(made.Expires)}})
	}))
}

// subjectOf looks a user's subject up in the user file.
func (a *app) subjectOf(name string) (string, error) {
	f, err := a.openUsers()
	if err != nil {
		return "", err
	}
	u, err := f.Find(name)
	if err != nil {
		return "", fmt.Errorf("looking up user: %w; --subject takes the sub of a user who is kept elsewhere", err)
	}
	return u.Subject, nil
}

// warnOfSubject says so when the user file knows no such subject: it may be a
// user's name, whose sessions all go on. It is no error, because subjects may
// come from elsewhere.
func (a *app) warnOfSubject(ctx context.Context, subject string, claims bool) {
	if !exists(a.settings.path(usersFile)) {
		return
	}
	f, err := a.openUsers()
	if err != nil {
		a.say("warning: whether there is a subject %q was not looked up: %v", subject, err)
		return
	}
	if _, err := f.Lookup(ctx, subject); err == nil {
		return
	}
	if u, err := f.Find(subject); err == nil {
		what, flag := "sessions", ""
		if claims {
			what, flag = "tokens", " --claims"
		}
		a.say("warning: %q is the name of a user whose subject is %s, and whose %s go on. To end them:\n  sealring revoke --user %s%s", subject, u.Subject, what, u.Username, flag)
		return
	}
	a.say("warning: no user in %s has the subject %q", a.settings.path(usersFile), subject)
}

func (r *revocationRequest) before(text string) error {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return usagef("--before %q is not a time like 2026-11-21T09:00:00Z", text)
	}
	if r.Type == "session" || r.Type == "token" || r.Type == "key" || r.Type == "claims" {
		return usagef("--before goes with --subject, --client or --all, without --claims")
	}
	if t.Unix() < 1 { // the zero time would count as no time at all: as now
		return usagef("--before %q is before 1970: it would end no session", text)
	}
	r.Before = t
	return nil
}

func (a *app) postRevocation(ctx context.Context, body revocationRequest) (*revocationView, error) {
	apis, err := a.settings.adminAPIs()
	if err != nil {
		return nil, err
	}
	var made revocationView
	// One replica is enough: it tells the others.
	err = apis[0].call(ctx, http.MethodPost, "/admin/v1/revocations", body, &made, http.StatusCreated, http.StatusAccepted)
	return &made, err
}
