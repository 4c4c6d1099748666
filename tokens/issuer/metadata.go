package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// errMetadata is a document that must not be followed.
var errMetadata = errors.New("unacceptable metadata")

const (
	metadataPath     = "/.well-known/oauth-authorization-server"
	defaultHeartbeat = time.Second
	maxHeartbeat     = 60 * time.Second
	maxDepth         = 16
)

// metadata is the part of the issuer's document (RFC 8414 §2) that is used
// here, checked.
type metadata struct {
	jwksURI        string
	feedURI        string // empty: the issuer has no feed
	heldURI        string // empty: it does not want to know what we hold
	sessionKeysURI string
	heartbeat      time.Duration
}

// parseMetadata reads the document of the issuer whose configured URL is
// issuer. What it names is of the issuer's origin, and becomes the address at
// which to fetch it. Members that are not known are none of ours.
func parseMetadata(doc []byte, issuer string, p place) (*metadata, error) {
	var m struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
		Feed    struct {
			URI            string  `json:"uri"`
			HeldURI        string  `json:"held_uri"`
			SessionKeysURI string  `json:"session_keys_uri"`
			Heartbeat      float64 `json:"heartbeat"` // seconds
		} `json:"sealring_feed"`
	}
	if depth(doc) > maxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", errMetadata, maxDepth)
	}
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, fmt.Errorf("%w: not JSON of the right shape", errMetadata)
	}
	if m.Issuer != issuer {
		return nil, fmt.Errorf("%w: it is of issuer %q", errMetadata, clip(m.Issuer))
	}
	if m.JWKSURI == "" {
		return nil, fmt.Errorf("%w: no jwks_uri", errMetadata)
	}
	for _, uri := range []*string{&m.JWKSURI, &m.Feed.URI, &m.Feed.HeldURI, &m.Feed.SessionKeysURI} {
		if *uri != "" && !sameOrigin(p.issuer, *uri) {
			return nil, fmt.Errorf("%w: %q is of another origin", errMetadata, clip(*uri))
		}
		var err error
		if *uri, err = p.address(*uri); err != nil {
			return nil, err
		}
	}
	return &metadata{
		jwksURI:        m.JWKSURI,
		feedURI:        m.Feed.URI,
		heldURI:        m.Feed.HeldURI,
		sessionKeysURI: m.Feed.SessionKeysURI,
		heartbeat:      heartbeat(m.Feed.Heartbeat),
	}, nil
}

// depth is how deeply a document is nested: json.Unmarshal needs memory for
// each level, and allows ten thousand.
func depth(doc []byte) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// heartbeat is the interval that the issuer promises, within reason.
func heartbeat(seconds float64) time.Duration {
	if !(seconds > 0) { // NaN is not either
		return defaultHeartbeat
	}
	return time.Duration(min(seconds, maxHeartbeat.Seconds()) * float64(time.Second))
}

// clip shortens what a stranger wrote before it goes to a log.
func clip(s string) string {
	return s[:min(len(s), 200)]
}
