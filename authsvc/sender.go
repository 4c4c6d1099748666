package authsvc

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode"
)

// sender is who has sent a request, as far as that can be told: for reports,
// never for a decision.
type sender struct {
	addr      string // an IP address, or what stands in its place
	agent     string // User-Agent, shortened
	requestID string
}

const maxAgent = 160 // bytes

func (s *Service) sender(r *http.Request) sender {
	return sender{s.remoteAddr(r), shortAgent(r.UserAgent()), requestID(r)}
}

// attrs is the sender in a log line.
func (f sender) attrs() []any {
	return []any{slog.String("addr", f.addr), slog.String("agent", f.agent), slog.String("request_id", f.requestID)}
}

// remoteAddr is the address that the request came from. Where that is a trusted
// proxy's, it is the last one in X-Forwarded-For that is not: what stands before
// it, anybody may have written.
func (s *Service) remoteAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return remote(r)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.isProxy(host); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = hop.String()
	}
	return host
}

func (s *Service) isProxy(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// shortAgent keeps of a User-Agent what can stand in a report.
func shortAgent(agent string) string {
	clean := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ToValidUTF8(agent, ""))
	if len(clean) > maxAgent {
		clean = strings.ToValidUTF8(clean[:maxAgent], "")
	}
	return clean
}
