package authsvc

import (
	"context"
	"log/slog"
	"math/bits"

	"github.com/sealring-dev/sealring/tokens"
)

// An alarm is a log line at level WARN with a fixed message, which monitoring
// can wait for:
//
//   - refresh.theft: a refresh token was used after it had been replaced, and the
//     session was ended. It tells the session, its subject and client; the
//     generation that was shown and the newest; which row of the protocol decided;
//     who sent it; and whether it was judged at once or, because the store was
//     away, afterwards ("granted" then is when the token was shown).
//   - refresh.divergent: a refresh token was shown again within its grace, by
//     another address or program than first. Nobody is logged out for that: a
//     phone changes its network in the middle of a retry. It may be the thief who
//     is quick enough to stay within the grace.
const (
	alarmTheft     = "refresh.theft"
	alarmDivergent = "refresh.divergent"
)

func (s *Service) theft(ctx context.Context, t *tokens.Refresh, out Outcome, from sender, more ...any) {
	s.log.WarnContext(ctx, alarmTheft, append(append(who(t), "generation", t.Generation, "newest", out.Generation,
		"row", out.Row, slog.Time("at", s.now())), append(from.attrs(), more...)...)...)
}

// divergent notes who was given a refresh token, and reports it where that was
// not one and the same: the first time, the second, the fourth and so on of a
// session, so that nobody can fill the log.
func (s *Service) divergent(ctx context.Context, t *tokens.Refresh, out Outcome, from sender) {
	first, times := s.receivers.note(t.SessionID, out, from)
	if times == 0 || bits.OnesCount(times) != 1 {
		return
	}
	s.log.WarnContext(ctx, alarmDivergent, append(append(who(t), "generation", t.Generation, "verdict", out.Verdict.String(),
		"row", out.Row, "times", times, slog.Time("at", s.now()), "first_addr", first.addr, "first_agent", first.agent), from.attrs()...)...)
}

func who(t *tokens.Refresh) []any {
	return []any{slog.Any("sid", t.SessionID), slog.String("sub", t.Subject), slog.String("client_id", t.ClientID)}
}
