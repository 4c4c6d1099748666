package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/issuer"
)

// relaySettings are what `sealring relay` can be told.
var relaySettings = []string{"upstream", "issuer", "listen", "admin_listen", "client_id", "client_secret", "log_level"}

func (a *app) relayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "relay --upstream URL", Short: "Serve an auth service's feed on to many verifiers",
		Long: `Follow an auth service, or another relay of it, and serve its feed, key set and
metadata on, so that thousands of verifiers are a tree and not a star. Verifiers
are told of it with middleware.Config.Feed; their issuer stays the issuer. A
chain has three relays at most.

A relay keeps nothing on disk and signs nothing. It is a service client of its
own with the scope feed; its verifiers show it their own credentials, which it
asks the issuer about. GET /livez and /readyz are on the admin listener. It
speaks plain HTTP: put a proxy with TLS in front of it.`,
		Example: `  sealring clients add relay-1 --scope feed
  SEALRING_CLIENT_ID=relay-1 sealring relay --upstream https://auth.example.com --client-secret-file relay.secret
  sealring relay --upstream https://relay-1.example.com --issuer https://auth.example.com …`,
		Args: cobra.NoArgs,
	}
	return a.command(c, relaySettings, func(ctx context.Context, _ []string) error {
		log, err := a.serviceLog()
		if err != nil {
			return err
		}
		cfg, err := a.settings.relayConfig(log)
		if err != nil {
			return err
		}
		relay, err := authsvc.NewRelay(cfg)
		if err != nil {
			return err
		}
		public, admin, err := a.settings.listenBoth()
		if err != nil {
			return err
		}
		return runRelay(ctx, relay, public, admin, log)
	})
}

func (s *settings) relayConfig(log *slog.Logger) (authsvc.RelayConfig, error) {
	cfg := authsvc.RelayConfig{
		Issuer: s.Issuer, Upstream: strings.TrimRight(s.Upstream, "/"),
		Client: issuer.Client{ID: s.ClientID, Secret: s.ClientSecret}, Logger: log,
	}
	if cfg.Upstream == "" {
		return cfg, errors.New("upstream is not set: it is the URL of the auth service or the relay to follow")
	}
	if u, err := url.Parse(cfg.Upstream); err != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return cfg, errors.New("upstream must be an https URL (http only on this machine): the credentials of the relay and of its verifiers travel there")
	}
	if cfg.Issuer == "" {
		cfg.Issuer = cfg.Upstream
	}
	if err := checkIssuer(cfg.Issuer); err != nil {
		return cfg, err
	}
	if cfg.Client.ID == "" || cfg.Client.Secret == "" {
		return cfg, errors.New("client_id and client_secret are not both set: a relay is a service client with the scope feed; make one with `sealring clients add NAME --scope feed`")
	}
	return cfg, nil
}

// runRelay serves until ctx ends: verifiers are told before the listeners
// close.
func runRelay(ctx context.Context, relay *authsvc.Relay, public, admin net.Listener, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return relay.Run(ctx) })
	g.Go(func() error { return serveHTTP(ctx, public, relay.Public(), log) })
	g.Go(func() error { return serveHTTP(ctx, admin, relay.Admin(), log) })
	log.Info("relaying", "public", public.Addr().String(), "admin", admin.Addr().String())
	err := g.Wait()
	log.Info("stopped")
	return err
}
