package middleware_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// behind starts a service that holds no key and no secret, and a gateway before
// it that opens cookies.
func behind(t *testing.T, iss *authtest.Issuer, service http.Handler) (gateway string) {
	t.Helper()
	cfg := configOf(iss)
	cfg.Client = middleware.Client{}
	inner := newGuard(t, cfg)
	eventually(t, "the service is ready", inner.Ready)
	back := httptest.NewServer(inner.Handler(service))
	t.Cleanup(back.Close)
	to, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	front := httptest.NewServer(readyGuard(t, iss).PassOn(proxy))
	t.Cleanup(front.Close)
	return front.URL
}

func get(t *testing.T, to string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestAServiceBehindAGatewayNeedsNoKey(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	iss := authtest.New(t)
	gateway := behind(t, iss, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s %q %q", s.Subject, r.Header["Cookie"], r.Header.Get("Authorization"))
	}))
	token := iss.Token()
	sealed := iss.SealedCookie(token, nil)
	for name, c := range map[string]struct {
		change []func(*http.Request)
		want   string
	}{
		"by a cookie": {[]func(*http.Request){cookie(sealed)}, `ann [] "Bearer ` + token + `"`},
		"by a bearer": {[]func(*http.Request){bearer(token)}, `ann [] "Bearer ` + token + `"`},
		"its other cookies": {[]func(*http.Request){header("Cookie", "a=1;  "+sealed.String()+" ; b=\"x;y\"; __Secure-refresh=z; ; __Secure-session=q; __host-session=kept")},
			`ann ["a=1; b=\"x; y\"; __host-session=kept"] "Bearer ` + token + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := body(t, get(t, gateway, c.change...)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
	for name, change := range map[string][]func(*http.Request){
		"nobody":                   nil,
		"a bearer beside a cookie": {bearer("x"), cookie(sealed)},
		"another scheme alone":     {header("Authorization", "Basic YW5uOng=")},
	} {
		if resp := get(t, gateway, change...); resp.StatusCode/100 != 4 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestAStreamBehindAGatewayEndsWithItsSession(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	iss := authtest.New(t)
	over := make(chan struct{})
	gateway := behind(t, iss, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(over)
	}))
	token := iss.Token()
	stream := bufio.NewReader(get(t, gateway, cookie(iss.SealedCookie(token, nil))).Body)
	if line, err := stream.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data:") {
		t.Fatalf("%q %v", line, err)
	}
	iss.Revoke(token)
	if rest, err := io.ReadAll(stream); err == nil && len(rest) > 1 {
		t.Errorf("it goes on: %q", rest)
	}
	<-over
}
