package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

func (a *app) clientsCommand() *cobra.Command {
	return group("clients", "Service clients", a.clientsAdd(), a.clientsList(), a.clientsRemove())
}

func (a *app) openClients() (*users.ClientFile, error) {
	if err := checkData(a.settings.Data); err != nil {
		return nil, err
	}
	return users.Config{Log: a.logger(slog.LevelWarn)}.OpenClients(a.settings.path(clientsFile))
}

type clientSecretView struct {
	ID     string   `json:"client_id"`
	Secret string   `json:"client_secret"`
	Scopes []string `json:"scopes"`
}

func (a *app) clientsAdd() *cobra.Command {
	var client authsvc.Client
	c := &cobra.Command{
		Use: "add ID", Short: "Add a service client and print its secret, once",
		Long: `Add a service client and print its secret. Only a hash of it is kept: it can
not be shown again. A service that verifies tokens needs the scope feed, and
session-keys if it is to open session cookies.`,
		Example: `  sealring clients add orders --scope feed --scope session-keys`,
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().StringArrayVar(&client.Scopes, "scope", nil, "a scope of the client (repeat for more)")
	return a.printing(a.command(c, dataOnly, func(ctx context.Context, args []string) error {
		f, err := a.openClients()
		if err != nil {
			return err
		}
		client.ID = args[0]
		secret, err := f.Add(ctx, client)
		if err != nil {
			return err
		}
		view := clientSecretView{client.ID, secret.Reveal(), notNil(client.Scopes)}
		return a.print(view, []string{"CLIENT", "SECRET", "SCOPES"}, [][]string{{view.ID, view.Secret, words(view.Scopes)}})
	}))
}

type clientView struct {
	ID      string    `json:"client_id"`
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created"`
}

func (a *app) clientsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show every service client", Args: cobra.NoArgs}
	return a.printing(a.command(c, dataOnly, func(context.Context, []string) error {
		f, err := a.openClients()
		if err != nil {
			return err
		}
		views, rows := []clientView{}, [][]string{}
		for _, c := range f.List() {
			views = append(views, clientView{c.ID, notNil(c.Scopes), c.Created})
			rows = append(rows, []string{c.ID, words(c.Scopes), moment(c.Created)})
		}
		return a.print(views, []string{"CLIENT", "SCOPES", "CREATED"}, rows)
	}))
}

func (a *app) clientsRemove() *cobra.Command {
	c := &cobra.Command{Use: "remove ID", Short: "Delete a service client", Args: cobra.ExactArgs(1)}
	return a.command(c, dataOnly, func(ctx context.Context, args []string) error {
		f, err := a.openClients()
		if err != nil {
			return err
		}
		if err := f.Remove(ctx, args[0]); err != nil {
			return err
		}
		a.say("Tokens it was given live to their end. To end them now:\n  sealring revoke --client %s", args[0])
		return nil
	})
}
