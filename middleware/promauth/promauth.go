// Package promauth counts for Prometheus what a guard does:
//
//	metrics := promauth.New()
//	prometheus.MustRegister(metrics)
//	guard, err := middleware.New(ctx, middleware.Config{Issuer: issuer, Audience: "orders", Client: client, Metrics: metrics})
//
// Of its metrics these are worth an alert: sealring_guard_feed_lag_seconds above a
// few seconds (revocations are not heard of), sealring_guard_key_set_age_seconds
// above the life of a token, and any decision that came to "unavailable".
//
// No label says whose session it was, and no other label has more values than
// middleware.Outcomes. Two guards in a process have two of these, each registered
// with a label of its own (prometheus.WrapRegistererWith).
package promauth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealring-dev/sealring/middleware"
)

// Metrics is a middleware.Metrics and a prometheus.Collector. It is made by New.
type Metrics struct {
	decisions, refusals, ends *prometheus.CounterVec

	remembered, judged, refused, ended []prometheus.Counter // by outcome

	status atomic.Pointer[func() middleware.Status] // nil: no guard is watched
}

// New returns metrics for one guard, that nobody has registered yet.
func New() *Metrics {
	m := &Metrics{
		decisions: counter("decisions_total", "Credentials that were judged, by what came of it and whether they were verified before.", "outcome", "remembered"),
		refusals:  counter("rule_refusals_total", "Good sessions that lacked what a rule demands.", "outcome"),
		ends:      counter("ended_total", "Sessions that ended while a request was served.", "outcome"),
	}
	for _, o := range middleware.Outcomes() {
		m.remembered = append(m.remembered, m.decisions.WithLabelValues(o.String(), "true"))
		m.judged = append(m.judged, m.decisions.WithLabelValues(o.String(), "false"))
		m.refused = append(m.refused, m.refusals.WithLabelValues(o.String()))
		m.ended = append(m.ended, m.ends.WithLabelValues(o.String()))
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "sealring", Subsystem: "guard", Name: name, Help: help}, labels)
}

// Judged implements middleware.Metrics.
func (m *Metrics) Judged(_ context.Context, o middleware.Outcome, remembered bool) {
	if remembered {
		m.remembered[o].Inc()
		return
	}
	m.judged[o].Inc()
}

// Refused implements middleware.Metrics.
func (m *Metrics) Refused(_ context.Context, o middleware.Outcome) { m.refused[o].Inc() }

// Ended implements middleware.Metrics.
func (m *Metrics) Ended(_ context.Context, o middleware.Outcome) { m.ended[o].Inc() }

// Watch implements middleware.Metrics.
func (m *Metrics) Watch(status func() middleware.Status) (stop func()) {
	m.status.Store(&status)
	return func() { m.status.Store(nil) }
}

// gauge is a number of the guard's state. There is none where ok is false.
type gauge struct {
	desc  *prometheus.Desc
	value func(s middleware.Status, now time.Time) (value float64, ok bool)
}

var gauges = []gauge{
	newGauge("ready", "1: the guard has what it needs to judge.",
		func(s middleware.Status, _ time.Time) (float64, bool) { return number(s.Ready), true }),
	newGauge("feed_live", "1: the feed is connected and delivers.",
		func(s middleware.Status, _ time.Time) (float64, bool) { return number(s.Live), true }),
	newGauge("feed_lag_seconds", "How long ago the revocation list was complete; absent: there is none yet.",
		func(s middleware.Status, _ time.Time) (float64, bool) {
			return s.Lag.Seconds(), s.Lag != middleware.NoList
		}),
	newGauge("revocations", "Entries in the revocation list.",
		func(s middleware.Status, _ time.Time) (float64, bool) { return float64(s.Revocations), true }),
	newGauge("key_set_age_seconds", "How long ago the key set was confirmed; absent: not yet.",
		func(s middleware.Status, now time.Time) (float64, bool) {
			return now.Sub(s.KeysAt).Seconds(), !s.KeysAt.IsZero()
		}),
	newGauge("requests", "Requests, streams and connections that are being served.",
		func(s middleware.Status, _ time.Time) (float64, bool) { return float64(s.Requests), true }),
}

func newGauge(name, help string, value func(middleware.Status, time.Time) (float64, bool)) gauge {
	return gauge{prometheus.NewDesc(prometheus.BuildFQName("sealring", "guard", name), help, nil, nil), value}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range []prometheus.Collector{m.decisions, m.refusals, m.ends} {
		c.Describe(to)
	}
	for _, g := range gauges {
		to <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.decisions, m.refusals, m.ends} {
		c.Collect(to)
	}
	status := m.status.Load()
	if status == nil {
		return
	}
	s, now := (*status)(), time.Now()
	for _, g := range gauges {
		if value, ok := g.value(s, now); ok {
			to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value)
		}
	}
}
