package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

// dataOnly are the settings of commands that work on files of the data folder.
var dataOnly = []string{"data"}

func (a *app) usersCommand() *cobra.Command {
	return group("users", "The built-in user file",
		a.usersAdd(), a.usersList(), a.usersPasswd(),
		a.usersChange("disable", "Keep a user from logging in and from refreshing", (*users.UserFile).Disable,
			endsSessions),
		a.usersChange("enable", "Let a disabled user in again", (*users.UserFile).Enable, ""),
		a.usersChange("remove", "Delete a user", (*users.UserFile).Remove,
			endsSessions),
	)
}

// endsSessions is said after a change that ends what is open, since that is
// what a service does that sees it.
const endsSessions = "A running service that reads this file ends the open sessions within a second. Where the users are on another machine as well:\n  sealring revoke --subject %s"

func (a *app) openUsers() (*users.UserFile, error) {
	if err := checkData(a.settings.Data); err != nil {
		return nil, err
	}
	return users.Config{Log: a.logger(slog.LevelWarn)}.OpenUsers(a.settings.path(usersFile))
}

func (a *app) usersAdd() *cobra.Command {
	var u authsvc.User
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a user",
		Long: `Add a user. The password is asked for twice at a terminal, and is one line of
standard input otherwise: 8 to 1024 bytes. Names are kept in lower case.`,
		Example: `  sealring users add ann --role admin --scope orders:read
  openssl rand -base64 18 | tee ann.password | sealring users add ann`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringArrayVar(&u.Roles, "role", nil, "a role of the user (repeat for more)")
	c.Flags().StringArrayVar(&u.Scopes, "scope", nil, "a scope that the user's tokens carry (repeat for more)")
	c.Flags().StringVar(&u.Subject, "subject", "", "the sub of the user's tokens (default: 128 random bits)")
	return a.printing(a.command(c, dataOnly, func(ctx context.Context, args []string) error {
		f, err := a.openUsers()
		if err != nil {
			return err
		}
		u.Username = args[0]
		if _, err := users.CanonicalName(u.Username); err != nil {
			return err // before the password is asked for
		}
		password, err := a.readPassword(ctx)
		if err != nil {
			return err
		}
		added, err := f.Add(ctx, u, password)
		if err != nil {
			return err
		}
		return a.printUsers(added)
	}))
}

func (a *app) usersList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show every user", Args: cobra.NoArgs}
	return a.printing(a.command(c, dataOnly, func(context.Context, []string) error {
		f, err := a.openUsers()
		if err != nil {
			return err
		}
		return a.printUsers(f.List()...)
	}))
}

func (a *app) usersPasswd() *cobra.Command {
	c := &cobra.Command{
		Use: "passwd NAME", Short: "Set a user's password",
		Long: `Set a user's password. It is asked for twice at a terminal, and is one line of
standard input otherwise. A running service that reads the file ends the user's
open sessions within a second, access tokens included.`,
		Args: cobra.ExactArgs(1),
	}
	return a.command(c, dataOnly, func(ctx context.Context, args []string) error {
		f, err := a.openUsers()
		if err != nil {
			return err
		}
		if _, err := f.Find(args[0]); err != nil {
			return err
		}
		password, err := a.readPassword(ctx)
		if err != nil {
			return err
		}
		return f.SetPassword(ctx, args[0], password)
	})
}

// usersChange is a command that does one thing to one user. The hint is
// printed afterwards, with the subject in it.
func (a *app) usersChange(verb, short string, change func(*users.UserFile, context.Context, string) error, hint string) *cobra.Command {
	c := &cobra.Command{Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1)}
	return a.command(c, dataOnly, func(ctx context.Context, args []string) error {
		f, err := a.openUsers()
		if err != nil {
			return err
		}
		u, err := f.Find(args[0])
		if err != nil {
			return err
		}
		if err := change(f, ctx, args[0]); err != nil {
			return err
		}
		if hint != "" {
			a.say(hint, u.Subject)
		}
		return nil
	})
}

type userView struct {
	Subject  string    `json:"subject"`
	Username string    `json:"username"`
	Roles    []string  `json:"roles"`
	Scopes   []string  `json:"scopes"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

func (a *app) printUsers(list ...users.Account) error {
	views, rows := []userView{}, [][]string{}
	for _, u := range list {
		views = append(views, userView{u.Subject, u.Username, notNil(u.Roles), notNil(u.Scopes), u.Disabled, u.Created})
		rows = append(rows, []string{u.Username, u.Subject, words(u.Roles), words(u.Scopes), yesNo(u.Disabled), moment(u.Created)})
	}
	return a.print(views, []string{"NAME", "SUBJECT", "ROLES", "SCOPES", "DISABLED", "CREATED"}, rows)
}

func notNil(list []string) []string { return append([]string{}, list...) }
