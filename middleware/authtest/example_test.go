package authtest_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// orders is the service that is tested. It makes its guard by the configuration
// that it is given.
func orders(guard *middleware.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		fmt.Fprintln(w, "the orders of", s.Subject)
	})
	mux.Handle("DELETE /orders", guard.RequireScope("orders:write")(http.NotFoundHandler()))
	return guard.Handler(mux)
}

// What a test of a service does. In a test t is its testing.T, and the issuer and
// the guard end with it.
func Example() {
	iss := authtest.New(t)
	defer iss.Close()
	guard := iss.Guard()
	defer guard.Close()
	service := orders(guard)

	ask := func(method, token string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		service.ServeHTTP(w, r)
		fmt.Println(method, w.Code)
	}
	ann := iss.Token(authtest.Subject("ann"), authtest.Scope("orders:read"))
	ask("GET", ann)
	ask("DELETE", ann)

	iss.Rotate() // new keys: what the old ones signed stays good
	iss.Await(guard)
	ask("GET", ann)

	iss.Revoke(ann) // she logs out
	iss.Await(guard)
	ask("GET", ann)

	iss.Down() // whoever is logged in goes on working while the issuer is away
	ask("GET", iss.Token(authtest.Subject("ben")))
	// Output:
	// GET 200
	// DELETE 403
	// GET 200
	// GET 401
	// GET 200
}

// t stands for the testing.T that an example does not have.
var t = exampleT{}

type exampleT struct{ testing.TB }

func (exampleT) Helper()                           {}
func (exampleT) Cleanup(func())                    {}
func (exampleT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
