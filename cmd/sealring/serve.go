package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// serveSettings are what `sealring serve` can be told.
var serveSettings = []string{
	"data", "issuer", "audiences", "app_origins", "trusted_proxies", "budget_profile", "listen", "admin_listen", "alg", "profile", "access_ttl", "idle_ttl", "session_ttl",
	"clock_skew", "jwks_max_age", "refresh_grace", "refresh_outage", "state_lost", "session_schema", "stored_fields", "redis_sessions", "peers", "client_id", "client_secret", "log_level", "master_key", "other_master_key", "admin_token",
}

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve --config FILE", Short: "Run the auth service",
		Long: `Run the auth service until it is interrupted. Every setting is checked before
anything is opened; an unsafe or inconsistent one is named with its remedy and
nothing starts. A key ring, users and clients that change on disk are taken over
while it runs. It speaks plain HTTP: put a proxy with TLS in front of it.

With --redis it is one of several replicas: they share the key ring (put there by
` + "`sealring keys init --redis URL`" + `), the revocations and the refresh states. Each
has a data folder of its own, which remembers what Redis may lose, with the same
master.key, admin.token, users.json and clients.json in it.`,
		Example: `  sealring keys init --data /var/lib/sealring
  sealring serve --config /etc/sealring.yaml`,
		Args: cobra.NoArgs,
	}
	return a.command(c, slices.Concat(serveSettings, redisUses), func(ctx context.Context, _ []string) error {
		log, err := a.serviceLog()
		if err != nil {
			return err
		}
		if err := a.settings.check(); err != nil {
			return err
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		public, admin, err := a.settings.listenBoth()
		if err != nil {
			return err
		}
		d, err := openDaemon(ctx, &a.settings, client, public, admin, log)
		if err != nil {
			return errors.Join(err, public.Close(), admin.Close())
		}
		return d.run(ctx)
	})
}

func (a *app) serviceLog() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.settings.LogLevel)); err != nil {
		return nil, usagef("log_level is debug, info, warn or error, not %q", a.settings.LogLevel)
	}
	return a.logger(level), nil
}

func (s *settings) listenBoth() (public, admin net.Listener, err error) {
	if public, err = listen(s.Listen, "listen"); err != nil {
		return nil, nil, err
	}
	if admin, err = listen(s.AdminListen, "admin-listen"); err != nil {
		return nil, nil, errors.Join(err, public.Close())
	}
	return public, admin, nil
}

// listen names the flag that chooses another address: a port that is taken is
// the likeliest fault of all.
func listen(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --%s", err, flag)
	}
	return l, nil
}

// Bounds of the settings, each with its reason in the error.
const (
	maxAccessTTL = 15 * time.Minute
	maxGrace     = 5 * time.Minute
	maxSkew      = 10 * time.Minute
)

// check refuses settings that are unsafe or do not go together. It names all
// of them at once, each with its remedy.
func (s *settings) check() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	if err := checkIssuer(s.Issuer); err != nil {
		faults = append(faults, err)
	}
	if err := s.checkPeers(); err != nil {
		faults = append(faults, err)
	}
	refuse(len(s.Audiences) == 0, "audiences is empty: name the services that tokens are for, for example `audiences: [orders]`")
	for _, o := range s.AppOrigins {
		err := authsvc.CheckOrigin(o)
		refuse(err != nil, "app_origins: %v", err)
	}
	refuse(s.Listen == s.AdminListen && !strings.HasSuffix(s.Listen, ":0"), "listen and admin_listen are both %s: the admin API must have an address of its own, which the public cannot reach", s.Listen)
	refuse(s.AccessTTL > maxAccessTTL, "access_ttl is %s: at most %s, because a service that is cut off from the feed accepts a revoked token for so long", short(s.AccessTTL), short(maxAccessTTL))
	refuse(s.IdleTTL > s.SessionTTL, "idle_ttl (%s) is longer than session_ttl (%s): lower it, or raise session_ttl", short(s.IdleTTL), short(s.SessionTTL))
	refuse(s.AccessTTL > s.IdleTTL, "access_ttl (%s) is longer than idle_ttl (%s): lower it, or raise idle_ttl", short(s.AccessTTL), short(s.IdleTTL))
	refuse(s.RefreshGrace > maxGrace, "refresh_grace is %s: at most %s, because a stolen refresh token goes unnoticed for so long", short(s.RefreshGrace), short(maxGrace))
	refuse(s.RefreshGrace >= s.AccessTTL, "refresh_grace (%s) is not shorter than access_ttl (%s): lower it", short(s.RefreshGrace), short(s.AccessTTL))
	refuse(s.ClockSkew > maxSkew, "clock_skew is %s: at most %s; keep the clocks closer together", short(s.ClockSkew), short(maxSkew))
	refuse(s.RefreshOutage != "degrade" && s.RefreshOutage != "strict", "refresh_outage is %q: degrade or strict", s.RefreshOutage)
	refuse(s.StateLost != "relogin" && s.StateLost != "adopt", "state_lost is %q: relogin or adopt", s.StateLost)
	if _, err := budget.Find(s.Budget...); err != nil {
		faults = append(faults, fmt.Errorf("budget_profile: %w", err))
	}
	if _, err := s.proxies(); err != nil {
		faults = append(faults, err)
	}
	switch keys.Alg(s.Alg) {
	case keys.ES256, keys.EdDSA, keys.RS256:
	default:
		refuse(true, "alg is %q: ES256, EdDSA or RS256", s.Alg)
	}
	return errors.Join(faults...)
}

// checkIssuer: every URL that the service prints begins with the issuer, the
// refresh cookie's path counts from the root of its host, and browsers take
// __Host- cookies from https and from localhost only.
func checkIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("issuer is not set: it is the public URL of this service, for example https://auth.example.com")
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("issuer is not an absolute URL like https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return errors.New("issuer has a user, a query or a fragment: leave them out")
	case u.Path != "":
		return fmt.Errorf("issuer has the path %q: leave it out (also a slash at the end), and give the service a host name of its own", u.Path)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("issuer is http: tokens and cookies would travel in clear; write https://%s and put a proxy with TLS in front", u.Host)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// checkRing refuses a ring that was made for shorter lifetimes: a key would
// leave the key set before the last token that it has signed.
func (s *settings) checkRing(r *keys.Ring, t time.Time) error {
	var faults []error
	for _, p := range []keys.Purpose{keys.AccessToken, keys.Feed, keys.SessionCookie, keys.RefreshToken} {
		if _, err := r.Current(p, t); err != nil {
			faults = append(faults, fmt.Errorf("the key ring has no %s key to work with now: %w; see `sealring keys list`", p, err))
		}
	}
	plan := r.Plan()
	idle := min(s.IdleTTL, s.SessionTTL)
	for _, c := range []struct {
		name, use    string
		want, allows time.Duration
	}{
		{"access_ttl", "sig", s.AccessTTL, plan.Life[keys.AccessToken]},
		{"idle_ttl", "enc", idle, plan.Life[keys.SessionCookie]},
		{"idle_ttl", "enc", idle, plan.Life[keys.RefreshToken]},
		{"jwks_max_age", "sig", s.JWKSMaxAge, plan.JWKSMaxAge},
		{"clock_skew", "sig", s.ClockSkew, min(plan.Skew, plan.Leeway)},
	} {
		if c.want > c.allows {
			more := ""
			if c.name == "idle_ttl" { // a ring is made for no longer an idle time than a session has
				more = " --session-ttl " + short(s.SessionTTL)
			}
			faults = append(faults, fmt.Errorf("%s is %s, but the key ring was made for at most %s: lower it, or run `sealring keys rotate --use %s --%s %s%s`, which makes the ring fit",
				c.name, short(c.want), short(c.allows), c.use, strings.ReplaceAll(c.name, "_", "-"), short(c.want), more))
		}
	}
	if k, err := r.Current(keys.AccessToken, t); err == nil && s.isSet("alg") && k.Alg != keys.Alg(s.Alg) {
		faults = append(faults, fmt.Errorf("alg is %s, but the key ring signs with %s: leave alg out, or make a new ring", s.Alg, k.Alg))
	}
	return errors.Join(faults...)
}
