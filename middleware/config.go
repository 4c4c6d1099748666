package middleware

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// The names of the session cookie: with the __Host- prefix a browser keeps it
// from being set by another host; an issuer with a cookie domain has to do
// without.
const (
	HostCookie   = "__Host-session"
	DomainCookie = "__Secure-session"
)

// DefaultClockSkew is the difference between the clocks of the issuer and of
// this machine that is forgiven unless Config says otherwise.
const DefaultClockSkew = 60 * time.Second

// Config is what a Guard needs to know. Issuer and an audience are required;
// everything else has a useful zero.
type Config struct {
	// Issuer is the absolute URL of the auth service, exactly as it stands in
	// the iss claim of its tokens. It must be https, except on this machine.
	Issuer string

	// Feed is the base URL of a relay (sealring relay) through which the issuer
	// is followed. It must be https, except on this machine. Zero: the issuer
	// itself.
	Feed string

	// Audience is what this service is called in the aud claim. A token that
	// does not name it is refused.
	Audience string

	// Audiences are further names that are accepted, for a gateway that stands
	// before several services.
	Audiences []string

	// Client authenticates this service to the issuer, for the feed and the
	// session keys. Zero: bearer tokens are verified by the public key set
	// alone; revocations are not heard of and cookies are not looked at.
	Client Client

	// Snapshot is the path of a file in which the guard keeps what it knows, so
	// that this service can start while the issuer is away: with the keys and
	// revocations of its last run, at their age, if that ended less than a day
	// ago. The file is sealed under Client's secret, and holds the session keys
	// too (see tokens/issuer). Its folder must exist and outlive the process.
	// Zero: no file.
	Snapshot string

	// Trust is where keys and revocations come from. Nil: Issuer is followed
	// over HTTP. The auth service itself passes its own.
	Trust Trust

	// ClockSkew is the leeway for the times in a token. Zero: DefaultClockSkew.
	ClockSkew time.Duration

	// MaxStale bounds how old the younger of the token and the revocation list
	// may be; a request beyond it is asked to refresh. Zero: the life of a
	// token, which means that a cut-off guard goes on until the tokens run out.
	MaxStale time.Duration

	// Cookie is the name of the session cookie. Zero: HostCookie. DomainCookie
	// is for an issuer that has a cookie domain.
	Cookie string

	// TrustedOrigins may send unsafe requests with the session cookie although
	// they are of another origin, each as "scheme://host[:port]".
	TrustedOrigins []string

	// Origin is where browsers find this service, as "scheme://host[:port]". With it
	// a browser's window that asks for a page without a good session is led to the
	// issuer's login, or to a refresh, and back; the issuer has to list it in
	// app_origins. A page's script and any other program get their 401. Zero:
	// everybody does.
	Origin string

	// HTTP is used to reach the issuer. Nil: a client of the guard's own with
	// timeouts. Redirects are never followed, whatever it says.
	HTTP *http.Client

	// NoTables verifies EdDSA signatures by crypto/ed25519 alone. False: a key that
	// verifies many gets a table of half a megabyte, with which each takes a third
	// of the time (see keys/edtable).
	NoTables bool

	// Metrics counts what the guard does; one belongs to one guard. Nil: nothing is
	// counted.
	Metrics Metrics

	// Logger takes state changes of the feed and, at debug level, the reasons
	// of refusals; never a token or a secret. Nil: slog.Default.
	Logger *slog.Logger
}

// Client is this service's account at the issuer. It does not print, log or
// marshal its secret.
type Client struct {
	ID     string
	Secret string
}

// Format prints the client without its secret, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "{"+c.ID+" [redacted]}")
}

// MarshalJSON gives the ID alone.
func (c Client) MarshalJSON() ([]byte, error) {
	return []byte(`{"ID":` + strconv.QuoteToASCII(c.ID) + `}`), nil
}

// Trust is a live source of what a guard believes: an issuer's keys and its
// revocations. It is tokens/issuer.Follower in a microservice and the auth
// service itself there. Every method is safe for concurrent use and none
// blocks.
type Trust interface {
	keys.Source

	// Revocations returns the list, always the same one, growing in place.
	Revocations() *revocation.List

	// AsOf returns the moment up to which the list is known to be complete;
	// zero before the first snapshot.
	AsOf() time.Time

	// Ready reports whether everything needed to judge has once been there.
	Ready() bool

	// Refresh says that a token named an unknown key. It may lead to one fetch
	// of the key set, later and under a cool-down.
	Refresh()

	// Subscribe has f called with entries just after they are in the list.
	// f must be quick. No call is under way any more when cancel returns.
	Subscribe(f func([]revocation.Entry)) (cancel func())
}

// ErrConfig is what New fails with: the Config can never work.
var ErrConfig = errors.New("unusable guard configuration")

// withDefaults checks c and fills in what was left zero.
func (c Config) withDefaults() (Config, error) {
	if c.Audience != "" {
		c.Audiences = append([]string{c.Audience}, c.Audiences...)
	}
	if c.ClockSkew == 0 {
		c.ClockSkew = DefaultClockSkew
	}
	if c.Cookie == "" {
		c.Cookie = HostCookie
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, c.check()
}

func (c Config) check() error {
	switch {
	case c.Issuer == "":
		return fmt.Errorf("%w: Issuer is required", ErrConfig)
	case len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""):
		return fmt.Errorf("%w: Audience is required", ErrConfig)
	case (c.Client.ID == "") != (c.Client.Secret == ""):
		return fmt.Errorf("%w: Client needs both ID and Secret, or neither", ErrConfig)
	case c.Snapshot != "" && (c.Client.ID == "" || c.Trust != nil):
		return fmt.Errorf("%w: Snapshot needs a Client, and no Trust", ErrConfig)
	case c.ClockSkew < 0 || c.ClockSkew > 10*time.Minute:
		return fmt.Errorf("%w: ClockSkew must be between 0 and 10 minutes", ErrConfig)
	case c.MaxStale < 0:
		return fmt.Errorf("%w: MaxStale is negative", ErrConfig)
	case c.Origin != "" && originFault(c.Origin) != "":
		return fmt.Errorf("%w: Origin %q %s", ErrConfig, c.Origin, originFault(c.Origin))
	case c.Cookie != HostCookie && c.Cookie != DomainCookie:
		return fmt.Errorf("%w: Cookie is neither %s nor %s", ErrConfig, HostCookie, DomainCookie)
	}
	return nil
}
