package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// repeatAfter is how long a poll waits before it is answered with entries that
// it may have had: a position alone does not say so of those without a place.
const repeatAfter = time.Second

// poll answers with the next frame after a position as soon as there is one,
// or with 204. held is the tag of the answer before, or empty.
func (o *outlet) poll(ctx context.Context, since revocation.Position, held string, wait time.Duration) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	w, err := o.resume(ctx, since)
	switch {
	case errors.Is(err, ErrUnknownPosition):
		return nil, errPosition
	case err != nil:
		return nil, err
	case w.missed != nil:
		if w.pos == since { // entries without a place, which it may have had
			o.sleep(ctx, repeatAfter)
		}
		return frameReply(*w.missed, o.tag(w.pos, w.view, slices.Min(append(w.again, w.next)))), nil
	}
	next, ok := o.numbered(held, since)
	switch {
	case ok && next >= w.view.first && next <= w.view.end():
	case len(w.again) > 0:
		next = w.again[0]
		o.sleep(ctx, repeatAfter)
	default:
		next = w.next
	}
	return o.await(ctx, next)
}

// await answers with the frame of a number as soon as there is one.
func (o *outlet) await(ctx context.Context, next uint64) (*reply, error) {
	v := o.view.Load()
	for next == v.end() {
		select {
		case <-v.next:
			v = o.view.Load()
		case <-o.desk.done:
			return newReply(http.StatusNoContent), nil
		case <-ctx.Done():
			return newReply(http.StatusNoContent), nil
		}
	}
	if next < v.first {
		return nil, errPosition // more came in this moment than is kept
	}
	f := v.frames[next-v.first]
	return frameReply(f, o.tag(f.pos, v, next+1)), nil
}

func (o *outlet) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.desk.done:
	case <-ctx.Done():
	}
}

// tag is the ETag of who has all up to a position. While there are entries
// without a place that is not enough: it then also says up to which frame of
// this outlet.
func (o *outlet) tag(p revocation.Position, v *view, next uint64) string {
	now := o.now()
	if now.Before(v.spilt) || slices.ContainsFunc(v.frames, func(f frame) bool { return f.counts(now) }) {
		return fmt.Sprintf(`"%s+%s-%d"`, p, o.name, next)
	}
	return strconv.Quote(p.String())
}

// numbered reads from a tag up to which frame of this outlet its holder has
// all.
func (o *outlet) numbered(tag string, p revocation.Position) (next uint64, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(tag, "W/"), `"`+p.String()+"+"+o.name+"-")
	if !ok {
		return 0, false
	}
	next, err := strconv.ParseUint(strings.TrimSuffix(rest, `"`), 10, 64)
	return next, err == nil
}
