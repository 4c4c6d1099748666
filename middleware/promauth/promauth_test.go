package promauth_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/promauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape reads what a Prometheus server would.
func scrape(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	values := map[string]float64{}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name != "#" {
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return values
}

// watched is a guard that is ready, and where it is counted.
func watched(t *testing.T, iss *authtest.Issuer) (*middleware.Guard, *prometheus.Registry) {
	t.Helper()
	metrics, registry := promauth.New(), prometheus.NewPedanticRegistry()
	if err := registry.Register(metrics); err != nil {
		t.Fatal(err)
	}
	cfg := iss.Config()
	cfg.Metrics = metrics
	g, err := middleware.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	iss.Await(g)
	return g, registry
}

func get(h http.Handler, token string) int {
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+token)
	h.ServeHTTP(w, r)
	return w.Code
}

func TestAScrapeTellsWhatAGuardHasDone(t *testing.T) {
	iss := authtest.New(t)
	g, registry := watched(t, iss)
	token := iss.Token()
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 5 {
		get(h, token)
	}
	get(h, "garbage")
	get(g.RequireScope("pay")(h), token)
	get(g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		iss.Revoke(token)
		<-r.Context().Done()
	})), token)
	iss.Await(g)
	get(h, token)

	values := scrape(t, registry)
	for name, want := range map[string]float64{
		`sealring_guard_decisions_total{outcome="accepted",remembered="false"}`:      1,
		`sealring_guard_decisions_total{outcome="accepted",remembered="true"}`:       6,
		`sealring_guard_decisions_total{outcome="invalid-token",remembered="false"}`: 1,
		`sealring_guard_decisions_total{outcome="revoked",remembered="true"}`:        1,
		`sealring_guard_decisions_total{outcome="unavailable",remembered="false"}`:   0, // there before it happens, for an alert
		`sealring_guard_rule_refusals_total{outcome="insufficient-scope"}`:           1,
		`sealring_guard_ended_total{outcome="revoked"}`:                              1,
		`sealring_guard_ready`:       1,
		`sealring_guard_feed_live`:   1,
		`sealring_guard_revocations`: 1,
		`sealring_guard_requests`:    0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	for _, name := range []string{"sealring_guard_feed_lag_seconds", "sealring_guard_key_set_age_seconds"} {
		if age, ok := values[name]; !ok || age < 0 || age > 60 {
			t.Errorf("%s is %v (%v)", name, age, ok)
		}
	}
	if len(values) > 70 {
		t.Errorf("%d series", len(values))
	}
}

func TestWhatIsNotKnownIsAbsentFromAScrape(t *testing.T) {
	iss := authtest.New(t)
	iss.Down()
	metrics, registry := promauth.New(), prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	absent := func(names ...string) {
		t.Helper()
		values := scrape(t, registry)
		for _, name := range names {
			if value, ok := values[name]; ok {
				t.Errorf("%s is %v", name, value)
			}
		}
	}
	absent("sealring_guard_ready", "sealring_guard_feed_lag_seconds")
	cfg := iss.Config()
	cfg.Metrics = metrics
	g, err := middleware.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	absent("sealring_guard_feed_lag_seconds", "sealring_guard_key_set_age_seconds")
	if ready, ok := scrape(t, registry)["sealring_guard_ready"]; !ok || ready != 0 {
		t.Errorf("ready is %v (%v)", ready, ok)
	}
	g.Close()
	absent("sealring_guard_ready")
}

func TestTwoGuardsAreToldApartByALabel(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"orders", "billing"} {
		if err := prometheus.WrapRegistererWith(prometheus.Labels{"guard": name}, registry).Register(promauth.New()); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := scrape(t, registry)[`sealring_guard_ended_total{guard="billing",outcome="expired"}`]; !ok {
		t.Error("the second guard is not counted")
	}
}

func TestCountingTakesNoMemory(t *testing.T) {
	m, ctx := promauth.New(), t.Context()
	if n := testing.AllocsPerRun(100, func() { m.Judged(ctx, middleware.Accepted, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJudged(b *testing.B) {
	m, ctx := promauth.New(), b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Judged(ctx, middleware.Accepted, true)
		}
	})
}
