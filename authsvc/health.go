package authsvc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi/adminapi"
)

// What is wrong with a service is of two kinds. A replica that can not sign,
// or does not know the revocations, is not ready: another may well be. What
// every replica shares, such as a ring that none of them can open, makes none
// of them unready while it can still sign: a balancer that takes them all away
// makes the outage of what was still a warning. It is told beside the 200, and
// becomes a 503 when the lease of the ring in use runs out.

const (
	maxDetail = 1024             // bytes of a problem's detail
	staleList = 10 * time.Second // age of the list of revocations that is worth a warning
)

// ringFault is why the ring in use may not be the newest.
type ringFault struct {
	err error
	at  time.Time // on a monotonic clock, as Config.RingChecked
}

// RingFault tells the service that its ring could not be followed: a changed
// one was refused, such as one sealed under a master key that is not known
// here, or could not be read at all. The service goes on with the ring in use,
// and says at /readyz why, until Config.RingChecked is later than this call or
// SetRing brings a newer ring.
func (s *Service) RingFault(err error) {
	s.log.Error("the key ring can not be followed; going on with the one in use", "err", err)
	s.fault.Store(&ringFault{err, s.now()})
}

// Livez implements adminapi.ServerInterface: the process answers.
func (a *adminAPI) Livez(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := jsonReply(http.StatusOK, adminapi.Health{Status: adminapi.HealthStatusOk})
	s.finish(w, r, p, err)
}

// Readyz implements adminapi.ServerInterface: the service can sign, and knows
// what not to; and what somebody should see to before that ends.
func (a *adminAPI) Readyz(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	now := s.now()
	warnings := s.warnings(now)
	if err := s.ready(now); err != nil {
		s.fail(w, r, explained(err, warnings))
		return
	}
	body := adminapi.Health{Status: adminapi.HealthStatusOk, Warnings: warnings}
	if len(warnings) > 0 {
		body.Status = adminapi.HealthStatusDegraded
	}
	p, err := jsonReply(http.StatusOK, body)
	s.finish(w, r, p, err)
}

func (s *Service) ready(now time.Time) error {
	if !s.hub.Ready() {
		return unavailable(errNotReady)
	}
	if skew := s.skew(); skew.Abs() > s.cfg.ClockSkew/2 {
		return unavailable(fmt.Errorf("the clock here is %v ahead of that of the shared store", skew))
	}
	for _, p := range keys.Purposes() {
		if _, err := s.hub.signer(p, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) skew() time.Duration {
	if s.cfg.Skew == nil {
		return 0
	}
	return s.cfg.Skew()
}

// explained gives a problem its cause, which only operators may see, and what
// was warned of before.
func explained(err error, warnings []adminapi.Warning) error {
	var p *problem
	if !errors.As(err, &p) || p.cause == nil {
		return err
	}
	said := *p
	parts := []string{p.cause.Error()}
	for _, w := range warnings {
		parts = append(parts, w.Detail)
	}
	said.detail, said.cause = clip(strings.Join(parts, "; ")), nil // once is enough for the log
	return &said
}

// warnings are what still works, and will not for ever.
func (s *Service) warnings(now time.Time) (all []adminapi.Warning) {
	ring := s.hub.ring.Load()
	if f := s.fault.Load(); f != nil && !s.heardSince(f.at) {
		w := adminapi.Warning{Code: adminapi.WarningCodeRingStale, Since: f.at.UTC(),
			Detail: fmt.Sprintf("generation %d of the key ring is in use and may not be the newest: %v", ring.Generation(), f.err)}
		if s.cfg.RingChecked != nil {
			w.Until = s.cfg.RingChecked().Add(ring.Plan().Lease).UTC()
		}
		all = append(all, w)
	}
	if err := s.cfg.suits(ring.Plan()); err != nil {
		all = append(all, adminapi.Warning{Code: adminapi.WarningCodeRingUnsuitable, Detail: err.Error()})
	}
	if asOf := s.hub.AsOf(); s.hub.Ready() && now.Sub(asOf) > staleList {
		w := adminapi.Warning{Code: adminapi.WarningCodeRevocationsStale,
			Detail: "the shared store does not answer: what other replicas revoke is not known here, and what is revoked here not there; "}
		if asOf.IsZero() {
			w.Detail += "it was not read since this service started, which refreshes nothing before that"
		} else {
			w.Since, w.Until = asOf.UTC(), asOf.Add(maxKnowledge).UTC()
			w.Detail += "refreshes go on without new refresh tokens"
		}
		all = append(all, w)
	}
	if r := s.refused.last.Load(); r != nil {
		// No 503: only the next append can tell that it is over.
		all = append(all, adminapi.Warning{Code: adminapi.WarningCodeRevocationsRefused, Since: r.since.UTC(),
			Detail: "the last revocation or logout could not be kept, and was answered 503: " + r.err.Error()})
	}
	for _, p := range keys.Purposes() {
		all = append(all, s.worn(ring, p, now)...)
	}
	for i := range all {
		all[i].Detail = clip(all[i].Detail)
	}
	return all
}

// worn warns of a key that has been used for long. One that may not seal any
// more is no 503 either: the replicas share it, and they still verify, revoke
// and feed.
func (s *Service) worn(ring *keys.Ring, p keys.Purpose, now time.Time) (all []adminapi.Warning) {
	k, err := ring.Current(p, now)
	if err != nil {
		return nil // that is for ready
	}
	warn := func(code adminapi.WarningCode, format string, args ...any) {
		all = append(all, adminapi.Warning{Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	switch {
	case k.Seals >= s.seals.most:
		warn(adminapi.WarningCodeSealsSpent, "the %s key %s seals no more than the %d values that it has sealed or that replicas have reserved", p, k.ID, k.Seals)
	case s.seals.nearlySpent(k.Seals):
		warn(adminapi.WarningCodeSealsLow, "the %s key %s has sealed %d of at most %d values", p, k.ID, k.Seals, s.seals.most)
	}
	if ring.RotationDue(p, now) {
		warn(adminapi.WarningCodeRotationDue, "the %s key %s signs or seals since %s: rotate it", p, k.ID, k.SignFrom.Format(time.RFC3339))
	}
	return all
}

// heardSince reports whether the ring was found to be the newest after t.
func (s *Service) heardSince(t time.Time) bool {
	return s.cfg.RingChecked != nil && s.cfg.RingChecked().After(t)
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "") }
