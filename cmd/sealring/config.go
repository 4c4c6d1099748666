package main

import (
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// settings are everything that can be set. A field becomes a setting by its
// one line in declared: the flag, the environment name, the key in the
// configuration file, the help and the table of `sealring settings` follow
// from that line.
type settings struct {
	Data        string
	Issuer      string
	Audiences   []string
	AppOrigins  []string
	Budget      []string
	Proxies     []string
	Listen      string
	AdminListen string
	DemoListen  string
	AdminURL    string
	Alg         string

	Profile      string
	AccessTTL    time.Duration
	IdleTTL      time.Duration
	SessionTTL   time.Duration
	ClockSkew    time.Duration
	JWKSMaxAge   time.Duration
	RefreshGrace time.Duration

	RefreshOutage string
	StateLost     string
	StoredFields  []string
	SessionSchema string
	ShortNames    *keys.Names
	Peers         []string

	LogLevel string

	Redis         tokens.Secret // a password may be in it
	RedisPassword tokens.Secret
	RedisCAFile   string
	RedisSessions uint64

	MasterKey      tokens.Secret
	OtherMasterKey tokens.Secret
	AdminToken     tokens.Secret
	Upstream       string
	Feed           string
	ClientID       string
	ClientSecret   tokens.Secret

	origin map[string]string // by name: where the value came from; absent: the default
}

func (s *settings) declared() []setting {
	return []setting{
		text("data", &s.Data, "/var/lib/sealring", "folder of the key ring, the users, the clients and the embedded store"),
		text("issuer", &s.Issuer, "", "public URL of the auth service, the iss of every token: https, or http on localhost; no path"),
		list("audiences", &s.Audiences, "what tokens may be for; a login that names none gets all of them"),
		list("app_origins", &s.AppOrigins, "origins of the application's own pages, such as https://shop.example.com: they may use the session's cookies by script, and a login leads to them; empty: none but the issuer's"),
		list("trusted_proxies", &s.Proxies, "networks of the reverse proxies whose X-Forwarded-For tells where a request comes from, such as 10.0.0.0/8, for reports; empty: none"),
		list("budget_profile", &s.Budget, "programs between the service and its users, as `sealring budget profiles` names them: cookies that one of them, or a browser, would not take are refused with 413; empty: portable, which is all of them"),
		text("listen", &s.Listen, "127.0.0.1:8080", "address of the public listener"),
		text("admin_listen", &s.AdminListen, "127.0.0.1:8081", "address of the admin listener; only operators may reach it"),
		text("demo_listen", &s.DemoListen, "127.0.0.1:8082", "address of the demo service"),
		text("admin_url", &s.AdminURL, "", "where commands reach the admin API, separated by commas for several replicas; empty: http:// and admin_listen"),
		text("alg", &s.Alg, string(keys.ES256), "signature algorithm of a new ring: ES256, EdDSA or RS256"),

		text("profile", &s.Profile, "", "lifetimes of sessions after NIST SP 800-63B-4, as defaults: aal1 (session_ttl 720h, idle_ttl 720h), aal2 (24h, 1h) or aal3 (12h, 15m); empty: those below"),
		duration("access_ttl", &s.AccessTTL, 5*time.Minute, "life of an access token, at most 15m; each ends up to a tenth earlier"),
		duration("idle_ttl", &s.IdleTTL, 30*time.Minute, "a session ends when it was not refreshed for so long, but for refreshes in the background"),
		duration("session_ttl", &s.SessionTTL, 12*time.Hour, "a session ends so long after its login, whatever happens"),
		duration("clock_skew", &s.ClockSkew, time.Minute, "largest difference between the clocks of any two machines"),
		duration("jwks_max_age", &s.JWKSMaxAge, 5*time.Minute, "how long others may keep the published key set"),
		duration("refresh_grace", &s.RefreshGrace, 10*time.Second, "parallel refreshes within it get the same successor, at most 5m"),

		address("redis", &s.Redis, "Redis that the replicas share: redis://HOST:PORT, redis-sentinel://HOST,HOST/NAME or redis-cluster://HOST,HOST; rediss for TLS; empty: one service with its embedded store"),
		secret("redis_password", &s.RedisPassword, "password of the Redis servers"),
		text("redis_ca_file", &s.RedisCAFile, "", "certificates (PEM) that vouch for a rediss server; empty: those of the system"),
		number("redis_sessions", &s.RedisSessions, redisstore.DefaultSessions, "about how many sessions, refreshed at least once, there will be at a time: their states in Redis are packed for as many; taken when Redis is used for the first time, of no effect later"),

		list("peers", &s.Peers, "URLs of the other replicas, past any balancer: while redis is away this one learns from their feeds what they revoke; with client_id and client_secret"),
		text("refresh_outage", &s.RefreshOutage, "degrade", "what a refresh gets while the store does not answer: degrade (an access token, for 15m at most) or strict (503)"),

		text("state_lost", &s.StateLost, "relogin", "what becomes of a refresh token older than the memory of a store that was emptied: relogin (its owner logs in again) or adopt (it is taken, and what was revoked in the store that is gone may come back with it)"),

		text("session_schema", &s.SessionSchema, "", "file with a JSON Schema of sessions (sealring budget schema --help): no session with cookies begins, and no data of one is changed, that it does not allow; empty: none"),
		table("short_names", &s.ShortNames, "roles, scopes and audiences that take a few bits in a cookie and not their whole length: some 300, of 8 KiB at most; the sealing keys that `sealring keys init` and `keys rotate` make have them, and so each opens what it has sealed; empty: those of the ring, or none"),
		list("stored_fields", &s.StoredFields, "fields of the data of sessions that are kept in the store and not in the cookie, which has a pointer in their place, such as cart; at most 16"),

		text("log_level", &s.LogLevel, "info", "debug, info, warn or error"),

		secret("master_key", &s.MasterKey, "seals the key ring; default: master.key in the data folder"),
		secret("other_master_key", &s.OtherMasterKey, "opens the key ring too, while the master key is being changed (sealring keys rewrap)"),
		secret("admin_token", &s.AdminToken, "bearer token of the admin API; default: admin.token in the data folder"),
		text("upstream", &s.Upstream, "", "URL of the auth service, or of another relay, that a relay follows"),
		text("feed", &s.Feed, "", "URL of the relay through which the demo service follows the auth service; empty: directly"),
		text("client_id", &s.ClientID, "", "the service client as which the demo service, a relay or a replica follows a feed"),
		secret("client_secret", &s.ClientSecret, "secret of client_id"),
	}
}

// path is a file of the data folder.
func (s *settings) path(name string) string { return filepath.Join(s.Data, name) }

// isSet tells a value that somebody chose from the default.
func (s *settings) isSet(name string) bool { return s.origin[name] != "" }

// adminURL is where the admin API is reached from this machine.
func (s *settings) adminURL() string {
	if s.AdminURL != "" {
		return strings.TrimRight(s.AdminURL, "/")
	}
	u := url.URL{Scheme: "http", Host: s.AdminListen}
	switch u.Hostname() {
	case "", "0.0.0.0", "::":
		u.Host = "127.0.0.1:" + u.Port()
	}
	return u.String()
}

// plan is what the times of a key ring follow from with these lifetimes, and
// with no shorter life of cookies and refresh tokens than the default. A ring
// that was made for longer ones stays as it is.
func (s *settings) plan() keys.Plan {
	p := keys.DefaultPlan()
	p.JWKSMaxAge = s.JWKSMaxAge
	p.Skew, p.Leeway = s.ClockSkew, s.ClockSkew
	life := maps.Clone(p.Life)
	idle := min(s.IdleTTL, s.SessionTTL)
	life[keys.AccessToken] = s.AccessTTL
	life[keys.SessionCookie] = max(life[keys.SessionCookie], idle)
	life[keys.RefreshToken] = max(life[keys.RefreshToken], idle)
	p.Life, p.Names = life, s.ShortNames
	return p
}
