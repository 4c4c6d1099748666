package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
)

// throughput is how many requests a chi service on loopback serves beside how many
// it does behind the guard, in turns: the median of the ratios.
func throughput(a *auth, rounds int, turn time.Duration) (bare, guarded, ratio float64, err error) {
	g, err := a.guard()
	if err != nil {
		return 0, 0, 0, err
	}
	token, err := a.token()
	if err != nil {
		return 0, 0, 0, err
	}
	plain, protected := chi.NewRouter(), chi.NewRouter()
	plain.Get("/cart/{id}", greet)
	protected.With(g.Handler).Get("/cart/{id}", greet)
	var rates [2][]float64
	var ratios []float64
	for range rounds {
		var now [2]float64
		for i, h := range []http.Handler{plain, protected} {
			if now[i], err = rate(h, token, turn); err != nil {
				return 0, 0, 0, err
			}
			rates[i] = append(rates[i], now[i])
		}
		ratios = append(ratios, now[1]/now[0])
	}
	return middle(rates[0]), middle(rates[1]), middle(ratios), nil
}

func greet(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"cart":"`+chi.URLParam(r, "id")+`"}`)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// rate is how many requests a second a handler serves to four clients that do as
// little as can be.
func rate(h http.Handler, token string, turn time.Duration) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	request := []byte("GET /cart/7 HTTP/1.1\r\nHost: orders.example.com\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	const clients = 4
	counts, faults := make([]int, clients), make([]error, clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			counts[i], faults[i] = ask(l.Addr().String(), request, began.Add(turn))
		})
	}
	all.Wait()
	took := time.Since(began)
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / took.Seconds(), errors.Join(faults...)
}

// ask sends a request again and again, and demands that it is served.
func ask(addr string, request []byte, until time.Time) (n int, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	for in := bufio.NewReader(c); time.Now().Before(until); n++ {
		if _, err := c.Write(request); err != nil {
			return n, err
		}
		status, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(status, "HTTP/1.1 200") {
			return n, fmt.Errorf("%q: %w", status, err)
		}
		for line := status; strings.TrimSpace(line) != ""; {
			if line, err = in.ReadString('\n'); err != nil {
				return n, err
			}
		}
		if _, err := in.Discard(len(`{"cart":"7"}`)); err != nil {
			return n, err
		}
	}
	return n, nil
}
