package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

const (
	devUser     = "ann"
	devClient   = "demo"
	devLogLevel = "warn" // the screen is for the tour
)

// devRun is what `sealring dev` tells about itself; --json prints it.
type devRun struct {
	Issuer       string `json:"issuer"`
	Admin        string `json:"admin"`
	Demo         string `json:"demo"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Data         string `json:"data"`

	subject   string
	throwAway bool
	socket    *net.TCPListener // the demo service's, until that has it
}

func (a *app) devCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "dev", Short: "Run everything on this machine, with no setup",
		Long: `Run the auth service and a demo service that it protects, with a user, a service
client and a key ring of their own, and print what to try. Nothing is kept unless
--data names a folder. The user's password and the client's secret are new at
each start, also in a folder that is kept: neither is written down anywhere.
A service of your own, for the audience demo, shares the demo service's client;
if browsers open it, --app-origins has to name its origin.

Interrupt it (Ctrl-C) to end it. It is for one developer on one machine: the
password is on the screen and the issuer is plain HTTP on localhost.`,
		Example: `  sealring dev
  sealring dev --json --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --demo-listen 127.0.0.1:0`,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON once everything answers, and nothing more")
	uses := []string{"data", "app_origins", "listen", "admin_listen", "demo_listen", "alg", "profile", "access_ttl", "idle_ttl", "session_ttl",
		"clock_skew", "jwks_max_age", "refresh_grace", "log_level"}
	cmd := a.command(c, uses, func(ctx context.Context, _ []string) error {
		if !a.settings.isSet("log_level") {
			a.settings.LogLevel = devLogLevel
		}
		log, err := a.serviceLog()
		if err != nil {
			return err
		}
		return a.dev(ctx, asJSON, log)
	})
	cmd.Flags().Lookup("data").DefValue = "a throw-away folder"
	cmd.Flags().Lookup("log-level").DefValue = devLogLevel
	return cmd
}

func (a *app) dev(ctx context.Context, asJSON bool, log *slog.Logger) (err error) {
	s := &a.settings
	public, admin, err := s.listenBoth()
	if err != nil {
		return err
	}
	info := &devRun{Issuer: "http://localhost:" + portOf(public), Admin: "http://" + admin.Addr().String()}
	if err := s.listenDemo(info); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	closeAll := func() error { return errors.Join(public.Close(), admin.Close(), info.socket.Close()) }
	s.Issuer, s.Audiences, s.AppOrigins = info.Issuer, []string{demoAudience}, append([]string{info.Demo}, s.AppOrigins...)
	if err := s.devFolder(info); err != nil {
		return errors.Join(err, closeAll())
	}
	if info.throwAway {
		defer func() { err = errors.Join(err, os.RemoveAll(s.Data)) }()
	}
	d, err := s.openDev(ctx, info, public, admin, log)
	if err != nil {
		return errors.Join(err, closeAll())
	}
	return a.runDev(ctx, d, info, asJSON)
}

// runDev runs the service and the demo service until ctx ends or one of them
// does. The demo service is stopped first: its feed is then not cut off.
func (a *app) runDev(ctx context.Context, d *daemon, info *devRun, asJSON bool) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	g.Go(func() error { return d.run(serving) })
	g.Go(func() error {
		defer stop()
		until, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(failed, cancel)()
		return a.runChild(until, info, func() error { return a.announce(info, asJSON) })
	})
	return g.Wait()
}

// devFolder makes the data folder: a temporary one unless another was chosen.
func (s *settings) devFolder(info *devRun) error {
	if !s.isSet("data") {
		dir, err := os.MkdirTemp("", "sealring-dev-")
		if err != nil {
			return fmt.Errorf("making data folder: %w", err)
		}
		s.Data, info.throwAway = dir, true
	}
	info.Data = s.Data
	return s.check()
}

// openDev opens the data folder and makes what is missing in it. The user and
// the client get their new secrets last: only once the store is locked is it
// sure that no other service runs in this folder, with the secrets of before.
func (s *settings) openDev(ctx context.Context, info *devRun, public, admin net.Listener, log *slog.Logger) (*daemon, error) {
	if !exists(s.path(ringFile)) {
		if _, _, err := s.newRing(ctx, s.ringIn(nil)); err != nil {
			return nil, err
		}
	}
	d, err := openDaemon(ctx, s, nil, public, admin, log)
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, info, log); err != nil {
		return nil, errors.Join(err, d.store.Close())
	}
	return d, nil
}

// fill makes the user and the service client, or gives them new secrets.
func (s *settings) fill(ctx context.Context, info *devRun, log *slog.Logger) error {
	if err := s.fillUser(ctx, info, log); err != nil {
		return err
	}
	f, err := users.Config{Log: log}.OpenClients(s.path(clientsFile))
	if err != nil {
		return err
	}
	secret, err := f.Renew(ctx, devClient)
	if errors.Is(err, users.ErrNotFound) {
		secret, err = f.Add(ctx, authsvc.Client{ID: devClient, Scopes: []string{"feed", "session-keys"}})
	}
	info.ClientID, info.ClientSecret = devClient, secret.Reveal()
	return err
}

func (s *settings) fillUser(ctx context.Context, info *devRun, log *slog.Logger) error {
	f, err := users.Config{Log: log}.OpenUsers(s.path(usersFile))
	if err != nil {
		return err
	}
	info.Username, info.Password = devUser, random(12)
	err = f.SetPassword(ctx, devUser, info.Password)
	if errors.Is(err, users.ErrNotFound) {
		_, err = f.Add(ctx, authsvc.User{Username: devUser, Roles: []string{"admin"}, Scopes: []string{"demo:read"}}, info.Password)
	}
	if err != nil {
		return err
	}
	if err := f.Enable(ctx, devUser); err != nil {
		return err
	}
	u, err := f.Find(devUser)
	info.subject = u.Subject
	return err
}

// listenDemo opens the demo service's socket here: so it is said early, and with
// the right flag, that the port is taken, and the auth service knows from the
// start which origin may use its cookies, also where any free port will do.
func (s *settings) listenDemo(info *devRun) error {
	l, err := listen(s.DemoListen, "demo-listen")
	if err != nil {
		return err
	}
	info.socket = l.(*net.TCPListener)
	info.Demo = "http://localhost:" + portOf(l)
	return nil
}

// announce says that everything answers.
func (a *app) announce(info *devRun, asJSON bool) error {
	if !asJSON {
		return printTour(a.stdout, info)
	}
	line, err := json.Marshal(info)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", line)
	return err
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
