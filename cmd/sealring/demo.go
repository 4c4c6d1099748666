package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealring-dev/sealring/middleware"
)

// demoAudience is what the demo service is called in the aud claim.
const demoAudience = "demo"

func (a *app) demoCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use: "demo --issuer URL", Short: "Run a small protected service, as an example",
		Long: `Run a small service that is protected by Sealring's middleware and by nothing
else: GET / answers with the session as JSON and GET /stream streams events until
the session ends; both answer 401 without a session. GET /readyz answers 200
once the service knows the issuer's keys and revocations.

Its secret comes from SEALRING_CLIENT_SECRET, or from a file. The first line on
standard output is its URL. It ends when it is interrupted, and when a pipe that
is its standard input is closed.`,
		Example: `  SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… sealring demo --issuer http://localhost:8080`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&address, "listen", "", "address to listen on, or "+passedOn+" for a socket that was passed on (default: demo_listen)")
	uses := []string{"issuer", "feed", "demo_listen", "client_id", "client_secret", "clock_skew", "log_level"}
	return a.command(c, uses, func(ctx context.Context, _ []string) error {
		log, err := a.serviceLog()
		if err != nil {
			return err
		}
		if address == "" {
			address = a.settings.DemoListen
		}
		l, err := listenOrTake(address)
		if err != nil {
			return err
		}
		return a.runDemo(ctx, l, log)
	})
}

func (a *app) runDemo(ctx context.Context, l net.Listener, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	guard, err := middleware.New(ctx, middleware.Config{
		Issuer:    a.settings.Issuer,
		Feed:      a.settings.Feed,
		Audience:  demoAudience,
		Client:    middleware.Client{ID: a.settings.ClientID, Secret: a.settings.ClientSecret.Reveal()},
		ClockSkew: a.settings.ClockSkew,
		Logger:    log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer guard.Close()
	if isPipe(a.stdin) {
		go func() { // ends with the process: nothing can interrupt a read of standard input
			_, _ = io.Copy(io.Discard, a.stdin)
			stop()
		}()
	}
	fmt.Fprintf(a.stdout, "http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveHTTP(ctx, l, demoHandler(ctx, guard), log) })
	return g.Wait()
}

// isPipe tells the standard input that a parent holds open from a terminal or
// /dev/null, whose end means nothing.
func isPipe(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// demoHandler is the whole service. done ends the streams when it stops.
func demoHandler(done context.Context, guard *middleware.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", guard.Handler(http.HandlerFunc(showSession)))
	mux.Handle("GET /stream", guard.Handler(stream(done)))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !guard.Ready() {
			http.Error(w, "not ready: nothing is known of the issuer yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

func showSession(w http.ResponseWriter, r *http.Request) {
	session, _ := middleware.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(session) // the client is gone: nobody to tell
}

// stream sends an event each second. It does nothing about sessions but obey
// the request's context, which ends with the session, and say why it ended.
func stream(done context.Context) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		c := http.NewResponseController(w)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for t := time.Now(); ; {
			_ = c.SetWriteDeadline(time.Now().Add(bodyTime))
			fmt.Fprintf(w, "data: %s\n\n", t.UTC().Format(time.RFC3339))
			if c.Flush() != nil {
				return
			}
			select {
			case t = <-tick.C:
			case <-done.Done():
				fmt.Fprint(w, "event: bye\ndata: the service stops\n\n")
				return
			case <-r.Context().Done():
				cause := context.Cause(r.Context())
				fmt.Fprintf(w, "event: end\ndata: %d %s\n\n", middleware.CloseCode(cause), cause)
				return
			}
		}
	}
}
