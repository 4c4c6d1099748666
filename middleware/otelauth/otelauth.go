// Package otelauth counts for OpenTelemetry what a guard does, and notes it in the
// span of the request:
//
//	metrics, err := otelauth.New(otel.GetMeterProvider())
//	guard, err := middleware.New(ctx, middleware.Config{Issuer: issuer, Audience: "orders", Client: client, Metrics: metrics})
//	handler := otelhttp.NewHandler(guard.Handler(mux), "orders") // the span has to be there before the guard
//
// A request's span gets the attributes sealring.outcome, which is one of
// middleware.Outcomes, and sealring.remembered; a session that ends while a request
// is served is an event in it. No attribute says whose session it was. Who wants
// that in the span adds it, from middleware.FromContext.
//
// Of the metrics these are worth an alert: sealring.guard.feed.lag above a few
// seconds (revocations are not heard of), sealring.guard.key_set.age above the life
// of a token, and any decision that came to "unavailable".
package otelauth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/sealring-dev/sealring/middleware"
)

// Scope is the name of the instrumentation.
const Scope = "github.com/sealring-dev/sealring/middleware/otelauth"

// Metrics is a middleware.Metrics. It is made by New. It counts for itself and tells
// the SDK when that collects: a request does not wait for an instrument, which takes
// longer than to judge it.
type Metrics struct {
	meter    metric.Meter
	counters []*counter
	gauges   []gauge

	remembered, judged, refused, ended []said // by outcome
}

// counter is an instrument and what it counts.
type counter struct {
	instrument metric.Int64ObservableCounter
	counts     []*said
}

// said is an outcome in the forms in which it is told, made once, and how often it
// was.
type said struct {
	times      atomic.Int64
	attributes []attribute.KeyValue
	set        metric.ObserveOption
}

// New returns metrics for one guard. The error is the provider's, of an instrument
// that it can not make.
func New(provider metric.MeterProvider) (*Metrics, error) {
	m := &Metrics{
		meter:      provider.Meter(Scope),
		remembered: all(attribute.Bool("sealring.remembered", true)),
		judged:     all(attribute.Bool("sealring.remembered", false)),
		refused:    all(),
		ended:      all(),
	}
	return m, errors.Join(
		m.count("sealring.guard.decisions", "{decision}",
			"Credentials that were judged, by what came of it and whether they were verified before.", m.remembered, m.judged),
		m.count("sealring.guard.rule_refusals", "{refusal}", "Good sessions that lacked what a rule demands.", m.refused),
		m.count("sealring.guard.ended", "{session}", "Sessions that ended while a request was served.", m.ended),
		m.newGauges(),
	)
}

// all are the outcomes, with further attributes.
func all(further ...attribute.KeyValue) []said {
	outcomes := middleware.Outcomes()
	list := make([]said, len(outcomes))
	for i, o := range outcomes {
		list[i].attributes = append([]attribute.KeyValue{attribute.String("sealring.outcome", o.String())}, further...)
		list[i].set = metric.WithAttributeSet(attribute.NewSet(list[i].attributes...))
	}
	return list
}

func (m *Metrics) count(name, unit, description string, lists ...[]said) error {
	instrument, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	c := &counter{instrument: instrument}
	for _, list := range lists {
		for i := range list {
			c.counts = append(c.counts, &list[i])
		}
	}
	m.counters = append(m.counters, c)
	return err
}

// Judged implements middleware.Metrics.
func (m *Metrics) Judged(ctx context.Context, o middleware.Outcome, remembered bool) {
	if remembered {
		m.remembered[o].note(ctx)
		return
	}
	m.judged[o].note(ctx)
}

// Refused implements middleware.Metrics. The outcome takes the place of
// "accepted" in the span.
func (m *Metrics) Refused(ctx context.Context, o middleware.Outcome) { m.refused[o].note(ctx) }

// note counts, and sets the attributes of the request's span.
func (s *said) note(ctx context.Context) {
	s.times.Add(1)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(s.attributes...)
	}
}

// Ended implements middleware.Metrics.
func (m *Metrics) Ended(ctx context.Context, o middleware.Outcome) {
	s := &m.ended[o]
	s.times.Add(1)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("sealring.session.ended", trace.WithAttributes(s.attributes...))
	}
}

// gauge is a number of the guard's state. There is none where ok is false.
type gauge struct {
	instrument metric.Float64ObservableGauge
	value      func(s middleware.Status, now time.Time) (value float64, ok bool)
}

func (m *Metrics) newGauges() error {
	for _, g := range []struct {
		name, unit, description string
		value                   func(middleware.Status, time.Time) (float64, bool)
	}{
		{"sealring.guard.ready", "1", "1: the guard has what it needs to judge.",
			func(s middleware.Status, _ time.Time) (float64, bool) { return number(s.Ready), true }},
		{"sealring.guard.feed.live", "1", "1: the feed is connected and delivers.",
			func(s middleware.Status, _ time.Time) (float64, bool) { return number(s.Live), true }},
		{"sealring.guard.feed.lag", "s", "How long ago the revocation list was complete; absent: there is none yet.",
			func(s middleware.Status, _ time.Time) (float64, bool) {
				return s.Lag.Seconds(), s.Lag != middleware.NoList
			}},
		{"sealring.guard.revocations", "{entry}", "Entries in the revocation list.",
			func(s middleware.Status, _ time.Time) (float64, bool) { return float64(s.Revocations), true }},
		{"sealring.guard.key_set.age", "s", "How long ago the key set was confirmed; absent: not yet.",
			func(s middleware.Status, now time.Time) (float64, bool) {
				return now.Sub(s.KeysAt).Seconds(), !s.KeysAt.IsZero()
			}},
		{"sealring.guard.requests", "{request}", "Requests, streams and connections that are being served.",
			func(s middleware.Status, _ time.Time) (float64, bool) { return float64(s.Requests), true }},
	} {
		instrument, err := m.meter.Float64ObservableGauge(g.name, metric.WithUnit(g.unit), metric.WithDescription(g.description))
		if err != nil {
			return err
		}
		m.gauges = append(m.gauges, gauge{instrument, g.value})
	}
	return nil
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Watch implements middleware.Metrics.
func (m *Metrics) Watch(status func() middleware.Status) (stop func()) {
	var instruments []metric.Observable
	for _, c := range m.counters {
		instruments = append(instruments, c.instrument)
	}
	for _, g := range m.gauges {
		instruments = append(instruments, g.instrument)
	}
	registration, err := m.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		m.observe(to, status(), time.Now())
		return nil
	}, instruments...)
	if err != nil { // only for an instrument that is not this meter's
		return func() {}
	}
	return func() { _ = registration.Unregister() }
}

// observe tells what has happened so far, and the state at a moment.
func (m *Metrics) observe(to metric.Observer, status middleware.Status, now time.Time) {
	for _, c := range m.counters {
		for _, s := range c.counts {
			if times := s.times.Load(); times > 0 {
				to.ObserveInt64(c.instrument, times, s.set)
			}
		}
	}
	for _, g := range m.gauges {
		if value, ok := g.value(status, now); ok {
			to.ObserveFloat64(g.instrument, value)
		}
	}
}
