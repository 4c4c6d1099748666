package storm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// question is a refresh as a client sends it.
type question struct {
	token  string
	cookie bool   // as a browser does
	retry  string // Sealring-Retry; "": none
}

// answer is what came of a refresh.
type answer struct {
	status  int
	reason  string // of a refusal
	refresh string // the successor; the same token again where the store could not be asked
	access  string // the access token, or the session cookie
}

const refreshCookie, sessionCookie = "__Secure-refresh", "__Host-session"

// send refreshes once. An error says that the answer did not come, or not whole;
// the cookies of an answer that was cut are there all the same, as in a browser.
func send(ctx context.Context, client *http.Client, q question) (a answer, err error) {
	body := strings.NewReader(`{"refresh_token":"` + q.token + `"}`)
	if q.cookie {
		body.Reset("")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, issuerURL+"/v1/refresh", body)
	if err != nil {
		return a, err
	}
	if q.cookie {
		r.AddCookie(&http.Cookie{Name: refreshCookie, Value: q.token})
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.retry != "" {
		r.Header.Set("Sealring-Retry", q.retry)
	}
	res, err := client.Do(r)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a.status = res.StatusCode
	return a, a.read(res)
}

func (a *answer) read(res *http.Response) error {
	for _, c := range res.Cookies() {
		switch c.Name {
		case refreshCookie:
			a.refresh = c.Value
		case sessionCookie:
			a.access = c.Value
		}
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var said struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Code    string `json:"code"`
		Reason  string `json:"reason"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return fmt.Errorf("%d: %w", a.status, err)
	}
	if said.Access != "" {
		a.access, a.refresh = said.Access, said.Refresh
	}
	if a.status != http.StatusOK {
		a.reason = said.Code + " " + said.Reason
	}
	return nil
}

// open tells which refresh token this is, and whether it tells of an attempt to
// which the store gave no answer.
func open(ring *keys.Ring, raw string) (is place, tried bool, err error) {
	r, err := tokens.OpenRefresh(raw, ring, time.Now())
	if err != nil {
		return place{}, false, err
	}
	return placeOf(r), r.LastAttempt != 0, nil
}
