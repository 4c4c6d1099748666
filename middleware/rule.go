package middleware

import (
	"context"
	"time"
)

// Rule is what a session has to fulfil beyond being valid: it returns nil, or
// which of this package's errors stands against it. RequireScope and the like
// make an http.Handler of one; Enter takes them as they are.
type Rule func(*Session) error

// demand holds a session to rules, and has what is refused counted.
func (g *Guard) demand(ctx context.Context, s *Session, rules ...Rule) error {
	for _, rule := range rules {
		if err := rule(s); err != nil {
			if g.cfg.Metrics != nil {
				g.cfg.Metrics.Refused(ctx, outcomeOf(err))
			}
			return err
		}
	}
	return nil
}

// Scopes is the rule that a session carries every one of the scopes. Its error
// is ErrInsufficientScope.
func Scopes(scopes ...string) Rule {
	return func(s *Session) error {
		for _, scope := range scopes {
			if !s.HasScope(scope) {
				return &scopeError{scopes}
			}
		}
		return nil
	}
}

// Roles is the rule that a session carries every one of the roles. Its error is
// ErrInsufficientRole.
func Roles(roles ...string) Rule {
	return func(s *Session) error {
		for _, role := range roles {
			if !s.HasRole(role) {
				return ErrInsufficientRole
			}
		}
		return nil
	}
}

// Fresh is the rule of RequireFresh. Its error is ErrRefreshNeeded.
func (g *Guard) Fresh(d time.Duration) Rule {
	return func(s *Session) error {
		if staleness(s.claims, g.trust.AsOf(), time.Now()) > d {
			return ErrRefreshNeeded
		}
		return nil
	}
}

// RecentLogin is the rule of RequireRecentLogin. Its error is ErrLoginNeeded.
func RecentLogin(d time.Duration) Rule {
	return func(s *Session) error {
		if s.ID == "" || time.Since(s.AuthTime) > d {
			return &loginError{d}
		}
		return nil
	}
}
