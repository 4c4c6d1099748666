package authsvc_test

import (
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

// threeFields is a rule for the data: three fields at most, and no field "no".
func threeFields(x authsvc.Example) error {
	if data := string(x.Data); strings.Count(data, ":") > 3 || strings.Contains(data, `"no"`) {
		return &authsvc.SchemaError{At: "/data", Keyword: "maxProperties"}
	}
	if x.Subject == "" || len(x.Audience) == 0 {
		return &authsvc.SchemaError{At: "/subject", Keyword: "required"}
	}
	return nil
}

func withRule(c *authsvc.Config) { c.Rule = threeFields }

func TestASessionIsBegunAsItsRuleAllows(t *testing.T) {
	w := newWorld(t, withRule)
	w.loginWith(`{"a":1,"b":2,"c":3}`)
	a := w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"no":1}}`).want(t, 400, "invalid-request")
	if !strings.Contains(string(a.body), `/data breaks \"maxProperties\"`) || len(a.cookies) > 0 {
		t.Errorf("%s, %d cookies", a.body, len(a.cookies))
	}
}

func TestDataIsChangedAsItsRuleAllows(t *testing.T) {
	w := newWorld(t, withRule)
	in := w.loginWith(`{"a":1,"b":2}`)
	b := w.patch(`{"c":3}`, session(t, in)).want(t, 200, "")
	w.patch(`{"d":4}`, session(t, b)).want(t, 400, "invalid-request")
	if got := w.get("/v1/session", session(t, b)).want(t, 200, "").data(t); got != `2 {"a":1,"b":2,"c":3}` {
		t.Errorf("after a change that was refused: %s", got)
	}
	w.patch(`{"d":4,"a":null}`, session(t, b)).want(t, 200, "")
}

func TestAStoredFieldIsNoBusinessOfTheRule(t *testing.T) {
	w := newWorld(t, withRule, withCart)
	in := w.loginWith(`{"a":1,"cart":{"no":[1,2,3],"x":1,"y":2,"z":3}}`)
	w.patch(`{"b":2,"cart":{"w":4}}`, session(t, in)).want(t, 200, "")
}
