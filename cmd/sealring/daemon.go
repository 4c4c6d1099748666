package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// daemon is a running auth service: the service, its store, its key ring and
// its two listeners.
type daemon struct {
	log           *slog.Logger
	settings      *settings
	service       *authsvc.Service
	store         *boltstore.Store
	shared        *sharedStore // nil where nothing is shared
	ring          ringStore
	people        *users.UserFile
	public, admin net.Listener
}

// openDaemon opens everything in the data folder, and what is shared in Redis
// if there is a client of it, which is not closed here. Nothing is served
// before run.
func openDaemon(ctx context.Context, s *settings, client redis.UniversalClient, public, admin net.Listener, log *slog.Logger) (*daemon, error) {
	d := &daemon{log: log, settings: s, public: public, admin: admin}
	cfg, err := d.config(ctx, s, client)
	if err != nil {
		return nil, err
	}
	if d.store, err = boltstore.Open(s.path(storeFile), boltstore.Options{AdoptLost: s.adopts()}); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	cfg.Log, cfg.Sessions, cfg.Data = d.store, d.store, d.store
	if client != nil {
		if d.shared, err = openShared(client, d.store, s, log); err != nil {
			return nil, errors.Join(err, d.store.Close())
		}
		cfg.Log, cfg.Sessions, cfg.Data, cfg.Skew = d.shared.log, d.shared.sessions, d.shared.data, d.shared.log.Skew
	}
	if d.service, err = authsvc.New(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("starting: %w", err), d.close())
	}
	return d, nil
}

// close closes the stores: the shared one first, which writes to the other.
func (d *daemon) close() error {
	if d.shared == nil {
		return d.store.Close()
	}
	return errors.Join(d.shared.close(), d.store.Close())
}

func (d *daemon) config(ctx context.Context, s *settings, client redis.UniversalClient) (authsvc.Config, error) {
	cfg := authsvc.Config{
		Issuer: s.Issuer, Audiences: s.Audiences, AppOrigins: s.AppOrigins, BudgetProfiles: s.Budget,
		AccessTTL: s.AccessTTL, IdleTTL: s.IdleTTL, SessionTTL: s.SessionTTL,
		ClockSkew: s.ClockSkew, JWKSMaxAge: s.JWKSMaxAge, RefreshGrace: s.RefreshGrace, StrictRefresh: s.RefreshOutage == "strict",
		StoredFields: s.StoredFields,
		Logger:       d.log,
	}
	var err error
	if cfg.TrustedProxies, err = s.proxies(); err != nil {
		return cfg, err
	}
	if d.ring, err = s.openRing(ctx, s.ringIn(client)); err != nil {
		return cfg, err
	}
	cfg.Ring, cfg.RingChecked, cfg.ChangeRing = d.ring.Ring(), d.ring.Checked, changeRing(d.ring)
	cfg.Spare = spareFile(s.path(sealsFile))
	if err := s.checkRing(cfg.Ring, time.Now()); err != nil {
		return cfg, err
	}
	if cfg.Rule, err = s.sessionRule(cfg, d.log); err != nil {
		return cfg, err
	}
	if cfg.AdminToken, err = s.newAdminToken(); err != nil {
		return cfg, err
	}
	if d.people, err = (users.Config{Log: d.log}).OpenUsers(s.path(usersFile)); err != nil {
		return cfg, err
	}
	clients, err := users.Config{Log: d.log}.OpenClients(s.path(clientsFile))
	if err != nil {
		return cfg, err
	}
	cfg.Users, cfg.Clients = d.people, clients
	return cfg, nil
}

// run serves until ctx ends, and returns when everything has stopped: streams
// have been told, requests under way are answered, the store is closed.
func (d *daemon) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.service.Run(ctx) })
	g.Go(func() error { return d.watchRing(ctx) })
	g.Go(func() error { return d.watchPeers(ctx, d.settings) })
	g.Go(func() error { d.watchUsers(ctx); return nil })
	g.Go(func() error { return serveHTTP(ctx, d.public, d.service.Public(), d.log) })
	g.Go(func() error { return serveHTTP(ctx, d.admin, d.service.Admin(), d.log) })
	if !isLocal(d.admin.Addr()) {
		d.log.Warn("admin_listen is not on loopback: unless a proxy with TLS is in front, the admin token travels in clear")
	}
	d.log.Info("serving", "public", d.public.Addr().String(), "admin", d.admin.Addr().String())
	err := g.Wait()
	if err != nil {
		err = fmt.Errorf("serving: %w", err)
	}
	d.log.Info("stopped")
	return errors.Join(err, d.close())
}

// isLocal says whether only this machine reaches a listener.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// watchRing hands a changed ring to the service at once. A damaged new ring is
// told, and the one in use kept: signing must not stop because of a bad edit.
func (d *daemon) watchRing(ctx context.Context) error {
	known := d.ring.Ring().Generation()
	changed := func(r *keys.Ring) {
		d.service.SetRing(r)
		if r.Generation() != known { // not the first look, which may find nothing new
			known = r.Generation()
			d.log.Info("key ring changed", "generation", known)
		}
	}
	failed := func(err error) {
		var mended ringredis.Alarm
		if errors.As(err, &mended) {
			d.log.Error("Redis did not hold the key ring that it should; that is mended", "err", err)
			return
		}
		d.service.RingFault(err)
	}
	if err := d.ring.Watch(ctx, changed, failed); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watching key ring: %w", err)
	}
	return nil
}

// watchUsers has the tokens of users whose roles or scopes change refused, so
// that the next refresh reads the new ones, and ends the sessions of users who
// are disabled, removed or have a new password. Each replica does, of its own
// file: until that has changed it goes on saying the old roles and taking the
// old password.
func (d *daemon) watchUsers(ctx context.Context) {
	said := func(what string, users int, err error) error {
		switch {
		case err == nil:
			d.log.Info(what, "users", users)
		case ctx.Err() == nil:
			d.log.Error(what+": not told, trying again", "users", users, "err", err)
		}
		return err
	}
	d.people.Watch(ctx, users.Watcher{
		Restated: func(subjects []string) error {
			return said("roles or scopes changed", len(subjects), d.service.ClaimsChanged(ctx, subjects...))
		},
		Ended: func(ends []authsvc.Ending) error {
			return said("sessions ended by a change of the user file", len(ends), d.service.EndSessions(ctx, ends...))
		},
	})
}
