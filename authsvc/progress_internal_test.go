package authsvc

import "testing"

func TestATokenIsReplacedOnceItsGraceIsOverOrASecondOneHasCome(t *testing.T) {
	var p progress
	p.note(sid, Outcome{Generation: 5, IssuedAt: ct}, true)
	for name, c := range map[string]struct {
		shown Presentation
		now   int64
		want  bool
	}{
		"the newest, at any age":              {shown(5, ct), ct + 10*grace, false},
		"a later one, of another replica":     {shown(6, ct+1), ct + 10*grace, false},
		"the parent, as late as the grace":    {shown(4, cp), ct + grace, false},
		"the parent, a millisecond later":     {shown(4, cp), ct + grace + 1, true},
		"the grandparent, at once":            {shown(3, cp/2), ct, true},
		"of a session that was not seen here": {Presentation{SessionID: [16]byte{9}}, ct + 10*grace, false},
	} {
		if got := p.replaced(c.shown, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
