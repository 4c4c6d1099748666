package otelauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/otelauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a guard that OpenTelemetry's SDK counts and traces.
type place struct {
	t      *testing.T
	iss    *authtest.Issuer
	guard  *middleware.Guard
	reader *sdkmetric.ManualReader
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, iss: authtest.New(t), reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	p.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p.spans))
	metrics, err := otelauth.New(sdkmetric.NewMeterProvider(sdkmetric.WithReader(p.reader)))
	if err != nil {
		t.Fatal(err)
	}
	cfg := p.iss.Config()
	cfg.Metrics = metrics
	if p.guard, err = middleware.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.guard.Close)
	p.iss.Await(p.guard)
	return p
}

// get sends a request in a span, and returns that.
func (p *place) get(h http.Handler, token string) sdktrace.ReadOnlySpan {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	ctx, span := p.tracer.Tracer("test").Start(r.Context(), "request")
	r.Header.Set("Authorization", "Bearer "+token)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
	span.End()
	ended := p.spans.Ended()
	return ended[len(ended)-1]
}

// values reads the meters: each point as "name attributes".
func (p *place) values() map[string]float64 {
	p.t.Helper()
	var all metricdata.ResourceMetrics
	if err := p.reader.Collect(p.t.Context(), &all); err != nil {
		p.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					values[strings.TrimSpace(m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder()))] = float64(point.Value)
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					values[m.Name] = point.Value
				}
			}
		}
	}
	return values
}

func nothing(http.ResponseWriter, *http.Request) {}

func TestTheMetersTellWhatAGuardHasDone(t *testing.T) {
	p := newPlace(t)
	token := p.iss.Token()
	h := p.guard.Handler(http.HandlerFunc(nothing))
	for range 5 {
		p.get(h, token)
	}
	p.get(h, "garbage")
	p.get(p.guard.RequireScope("pay")(h), token)
	p.get(p.guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.iss.Revoke(token)
		<-r.Context().Done()
	})), token)

	p.iss.Await(p.guard)
	values := p.values()
	for name, want := range map[string]float64{
		"sealring.guard.decisions sealring.outcome=accepted,sealring.remembered=false":      1,
		"sealring.guard.decisions sealring.outcome=accepted,sealring.remembered=true":       6,
		"sealring.guard.decisions sealring.outcome=invalid-token,sealring.remembered=false": 1,
		"sealring.guard.rule_refusals sealring.outcome=insufficient-scope":                  1,
		"sealring.guard.ended sealring.outcome=revoked":                                     1,
		"sealring.guard.ready":       1,
		"sealring.guard.feed.live":   1,
		"sealring.guard.revocations": 1,
		"sealring.guard.requests":    0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v of %v", name, got, ok, want, values)
		}
	}
	for _, name := range []string{"sealring.guard.feed.lag", "sealring.guard.key_set.age"} {
		if age, ok := values[name]; !ok || age < 0 || age > 60 {
			t.Errorf("%s is %v (%v)", name, age, ok)
		}
	}
	p.guard.Close()
	if value, ok := p.values()["sealring.guard.ready"]; ok {
		t.Errorf("after the guard was closed it is watched: ready is %v", value)
	}
}

func TestASpanTellsWhatWasDecidedAndNotAboutWhom(t *testing.T) {
	p := newPlace(t)
	token := p.iss.Token(authtest.Subject("ann"))
	session, err := p.guard.Check(withBearer(token))
	if err != nil {
		t.Fatal(err)
	}
	h := p.guard.Handler(http.HandlerFunc(nothing))
	for want, span := range map[string]sdktrace.ReadOnlySpan{
		"[sealring.outcome=accepted sealring.remembered=true]":          p.get(h, token),
		"[sealring.outcome=accepted sealring.remembered=false]":         p.get(h, p.iss.Token()),
		"[sealring.outcome=invalid-token sealring.remembered=false]":    p.get(h, "garbage"),
		"[sealring.outcome=insufficient-role sealring.remembered=true]": p.get(p.guard.RequireRole("admin")(h), token),
	} {
		if got := attributes(span.Attributes()); got != want {
			t.Errorf("the span says %s, want %s", got, want)
		}
	}
	ended := p.get(p.guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.iss.Revoke(token)
		<-r.Context().Done()
	})), token)
	if events := ended.Events(); len(events) != 1 || events[0].Name != "sealring.session.ended" || attributes(events[0].Attributes) != "[sealring.outcome=revoked]" {
		t.Errorf("the span has the events %v", events)
	}
	for _, span := range p.spans.Ended() {
		all := fmt.Sprint(span.Name(), attributes(span.Attributes()), span.Events(), span.Status())
		for _, private := range []string{token, session.Subject, session.ID, "garbage"} {
			if strings.Contains(all, private) {
				t.Errorf("%q is in the span: %s", private, all)
			}
		}
	}
}

func withBearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func attributes(all []attribute.KeyValue) string {
	var text []string
	for _, a := range all {
		text = append(text, string(a.Key)+"="+a.Value.String())
	}
	return fmt.Sprint(text)
}

func TestCountingWithoutASpanTakesNoMemory(t *testing.T) {
	m, err := otelauth.New(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { m.Judged(ctx, middleware.Accepted, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJudged(b *testing.B) {
	m, err := otelauth.New(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Judged(ctx, middleware.Accepted, true)
		}
	})
}
