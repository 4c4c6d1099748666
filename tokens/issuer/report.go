package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// generationHeader is how a key set says which generation of the issuer's ring
// it is made from.
const generationHeader = "Sealring-Generation"

// reportSpread is within how long the followers of an issuer report that they
// have taken over new keys: not all in one moment.
const reportSpread = 500 * time.Millisecond

func generationOf(h http.Header) uint64 {
	n, err := strconv.ParseUint(h.Get(generationHeader), 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// holding is the generation up to which all keys are held; 0 where a source
// did not say.
func (s *state) holding() uint64 {
	if s.noSessions {
		return s.setGen
	}
	return min(s.setGen, s.sessionsGen)
}

// introduced adds to the feed's URL who we are and what we hold, so that
// whoever connects has reported by that.
func (f *Follower) introduced(q url.Values, holding uint64) {
	q.Set("verifier", f.id.String())
	q.Set("holding", strconv.FormatUint(holding, 10))
}

// unreported is what is held and has to be reported: not while the feed is
// away, for the next connection says it.
func (s *state) unreported() (held uint64, ok bool) {
	held = s.holding()
	return held, s.kept && s.meta.heldURI != "" && held != 0 && held != s.reported
}

// tell has it reported if other keys are held than was reported last.
func (f *Follower) tell() {
	if _, ok := f.state.Load().unreported(); ok {
		signal(f.news)
	}
}

// reportOnDemand reports what is held when that has changed.
func (f *Follower) reportOnDemand(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.news:
		}
		sleep(ctx, jitter(reportSpread))
		var retry backoff
		for ctx.Err() == nil {
			s := f.state.Load() // always the newest: what it was before is of no interest
			held, ok := s.unreported()
			if !ok {
				break
			}
			err := f.report(ctx, s.meta.heldURI, held, s.position)
			if err == nil {
				f.update(func(s *state) { s.reported = held })
				continue
			}
			f.log.Debug("reporting the keys held", "fault", err.Error())
			if refused(err) {
				break
			}
			sleep(ctx, max(retry.next(), asked(err)))
		}
	}
}

// errNoPosition is a report before the first snapshot.
var errNoPosition = errors.New("no position yet")

func (f *Follower) report(ctx context.Context, uri string, held uint64, pos revocation.Position) error {
	if pos == (revocation.Position{}) {
		return errNoPosition
	}
	body, err := json.Marshal(map[string]any{"verifier": f.id.String(), "generation": held, "position": pos.String()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := f.send(ctx, http.MethodPost, uri, "application/json", true, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// refused tells an answer that asking again would not change.
func refused(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.status >= 400 && s.status < 500 &&
		!slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests}, s.status)
}
