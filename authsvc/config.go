package authsvc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// Config is everything a Service needs. Zero lifetimes take the default named
// beside them; a negative one is refused.
type Config struct {
	// Issuer is the iss of every token and the only source of every URL that
	// the service prints: absolute, http or https, no query, no fragment, no
	// slash at its end. Required.
	Issuer string
	// Audiences is what tokens may be for. A login that names none gets all
	// of them. At least one is required.
	Audiences []string

	// AppOrigins are the origins of the application's own pages, each as
	// "scheme://host[:port]" just as a browser writes it: https, or http on this
	// machine. Their pages may use the cookies from another origin than the
	// Issuer's, and the service's own pages lead to them, to the first by itself.
	// Zero: no other origin may.
	AppOrigins []string

	// TrustedProxies are the networks of the reverse proxies before the service,
	// whose X-Forwarded-For tells where a request comes from. It is used in
	// reports alone. Zero: there are none, and a request comes from its peer.
	TrustedProxies []netip.Prefix

	// BudgetProfiles are the programs between the service and its users: an
	// answer that sets cookies must survive all of them, and a browser, else it
	// is refused with 413. The names are those of budget.Names. Zero: "portable",
	// which is every program that is known.
	BudgetProfiles []string

	AccessTTL    time.Duration // life of an access token; zero: 5 min, at most 15 min
	IdleTTL      time.Duration // a session ends when unused for so long; zero: 30 min
	SessionTTL   time.Duration // a session ends so long after its login, whatever happens; zero: 12 h
	ClockSkew    time.Duration // largest difference of any two of our clocks; zero: 60 s
	JWKSMaxAge   time.Duration // max-age of the key set; zero: 5 min
	RefreshGrace time.Duration // a parallel refresh within it gets the same successor; zero: 10 s, at most 5 min

	// StrictRefresh answers a refresh that the store can not judge with 503.
	// Zero: the client gets a new access token and its refresh token again, for
	// 15 min at most, and the store judges afterwards.
	StrictRefresh bool

	// Rule says whether a session may be begun, or its data be changed to be
	// like that; package sessionschema has one. A *SchemaError is the caller's (400), any
	// other error the service's. Sessions in mode token have none. Zero: any may.
	Rule func(Example) error

	// StoredFields are fields of the data of sessions, by name, that are kept in
	// Data and not in the cookie, which has a pointer in their place. Zero: none.
	StoredFields []string

	Ring     *keys.Ring // the keys to begin with; SetRing changes them. Required.
	Log      Log        // the revocations. Required.
	Sessions Sessions   // the refresh states. Required.
	Data     Data       // what was changed of the data of sessions. Zero: it can not be changed.
	Users    Users      // who may log in. Required.
	Clients  Clients    // which services may. Required.

	// RingChecked is when the ring in use was last found to be the newest, such
	// as ringfile.File.Checked, on a monotonic clock. Once that is longer ago
	// than the Lease of the ring's plan, nothing is signed and no key set is
	// served (503): a rotation may have gone by unheard. Zero: the ring counts
	// as the newest, which only suits a service that has the one copy.
	RingChecked func() time.Time

	// Skew is how far the clock here is ahead of that of the store that the
	// replicas share. A service is not ready while it is more than half of
	// ClockSkew, either way: no two replicas then differ by more than that.
	// Zero: there is no such clock.
	Skew func() time.Duration

	// ChangeRing writes the ring anew where it is kept. It is how sealing keys
	// are counted, which must not seal without end, and how they are rotated
	// when they have sealed much: see package keys. Zero: they are counted in
	// memory alone, which only suits a service that has the one copy of its
	// ring and does not use it again after a restart.
	ChangeRing ChangeRing
	// Spare is what a service seals with that is started while the ring can not
	// be written. Zero: it answers 503 until it can.
	Spare Spare

	// AdminToken is the bearer token of the admin API. Required, at least 32
	// bytes, because it can end every session.
	AdminToken tokens.Secret

	// MaxSubscribers bounds the feed's open streams and long polls; the rest
	// gets 503 with Retry-After. Zero: 10,000.
	MaxSubscribers int

	Logger *slog.Logger // zero: nothing is logged
}

// ErrConfig is what New fails with: the Config can never work.
var ErrConfig = errors.New("unusable auth service configuration")

// The defaults and bounds of Config.
const (
	defaultSubscribers = 10_000
	maxAccessTTL       = 15 * time.Minute
	minAdminToken      = 32 // bytes
	maxAudiences       = 32
)

// withDefaults fills in what was left zero and checks the rest.
func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.AccessTTL, 5 * time.Minute},
		{&c.IdleTTL, 30 * time.Minute},
		{&c.SessionTTL, 12 * time.Hour},
		{&c.ClockSkew, time.Minute},
		{&c.JWKSMaxAge, 5 * time.Minute},
		{&c.RefreshGrace, DefaultGrace},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if len(c.BudgetProfiles) == 0 {
		c.BudgetProfiles = []string{budget.Portable}
	}
	if c.MaxSubscribers == 0 {
		c.MaxSubscribers = defaultSubscribers
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

func (c Config) check() error {
	for _, refuse := range []struct {
		when bool
		why  string
	}{
		{!isIssuer(c.Issuer), "Issuer must be an absolute http or https URL without query, fragment, user and final slash"},
		{!areAudiences(c.Audiences), "Audiences must be 1 to 32 different names of at most 255 bytes"},
		{c.AccessTTL < time.Second || c.AccessTTL > maxAccessTTL, "AccessTTL must be between 1 s and 15 min"},
		{c.IdleTTL < c.AccessTTL, "IdleTTL must not be shorter than AccessTTL"},
		{c.SessionTTL < c.IdleTTL, "SessionTTL must not be shorter than IdleTTL"},
		{c.ClockSkew < 0 || c.ClockSkew > 10*time.Minute, "ClockSkew must be between 0 and 10 min"},
		{c.JWKSMaxAge < time.Second, "JWKSMaxAge must be at least 1 s"},
		{c.RefreshGrace < 0 || c.RefreshGrace > MaxGrace, "RefreshGrace must be between 0 and 5 min"},
		{c.MaxSubscribers < 0, "MaxSubscribers is negative"},
		{len(c.AdminToken.Reveal()) < minAdminToken, "AdminToken must have at least 32 bytes"},
		{c.Ring == nil, "Ring is required"},
		{c.Log == nil || c.Sessions == nil, "Log and Sessions are required"},
		{c.Users == nil || c.Clients == nil, "Users and Clients are required"},
		{!areFields(c.StoredFields), "StoredFields must be up to 16 different names of at most 64 bytes"},
		{len(c.StoredFields) > 0 && c.Data == nil, "StoredFields need Data"},
	} {
		if refuse.when {
			return fmt.Errorf("%w: %s", ErrConfig, refuse.why)
		}
	}
	if err := checkOrigins(c.AppOrigins); err != nil {
		return fmt.Errorf("%w: AppOrigins: %w", ErrConfig, err)
	}
	return c.suits(c.Ring.Plan())
}

// suits refuses lifetimes longer than those that the ring's times were
// computed from: a key would be gone before the last token that it signed.
func (c Config) suits(p keys.Plan) error {
	for _, l := range []struct {
		name          string
		wanted, bound time.Duration
	}{
		{"AccessTTL", c.AccessTTL, p.Life[keys.AccessToken]},
		{"IdleTTL", c.IdleTTL, p.Life[keys.SessionCookie]},
		{"IdleTTL", c.IdleTTL, p.Life[keys.RefreshToken]},
		{"ClockSkew", c.ClockSkew, min(p.Skew, p.Leeway)},
		{"JWKSMaxAge", c.JWKSMaxAge, p.JWKSMaxAge},
	} {
		if l.wanted > l.bound {
			return fmt.Errorf("%w: %s of %v is more than the %v that the key ring was planned for", ErrConfig, l.name, l.wanted, l.bound)
		}
	}
	return nil
}

func isIssuer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Opaque == "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && !strings.HasSuffix(s, "/") &&
		!strings.HasSuffix(s, "#") && len(s) <= 512
}

func areFields(all []string) bool {
	for i, name := range all {
		if name == "" || len(name) > MaxCellName || slices.Contains(all[:i], name) {
			return false
		}
	}
	return len(all) <= MaxCells
}

func areAudiences(all []string) bool {
	seen := map[string]bool{}
	for _, a := range all {
		if a == "" || len(a) > 255 || seen[a] {
			return false
		}
		seen[a] = true
	}
	return len(all) > 0 && len(all) <= maxAudiences
}
