package authsvc_test

// openid-client of npm, from the metadata on.
var ofOpenIDClient = map[string]scenario{
	"finds the service by its issuer":         {findsTheService, nil},
	"authenticates as the metadata says":      {authenticatesEitherWay, nil},
	"ends a session by revoking":              {endsASession, nil},
	"introspects as a service":                {introspectsAsAService, nil},
	"is not told that a half revocation held": {isNotToldOfAHalfRevocation, nil},
}

func findsTheService(w *tapped, c *foreignClient) {
	for _, algorithm := range []string{"oauth2", "oidc"} { // each has its own address
		m := c.one(ask{Do: "discover", Algorithm: algorithm}).Metadata
		if m["issuer"] != w.issuer || m["token_endpoint"] != w.issuer+"/v1/token" {
			w.t.Errorf("%s: %v", algorithm, m)
		}
	}
}

func authenticatesEitherWay(w *tapped, c *foreignClient) {
	for _, auth := range []string{"basic", "post"} {
		c.good(ask{Do: "credentials", ID: "orders", Secret: w.secret, Auth: auth})
		if posts := w.tap.seen(); len(posts) != 1 || posts[0].basic != (auth == "basic") {
			w.t.Errorf("%s: %+v", auth, posts)
		}
		c.refused(ask{Do: "credentials", ID: "orders", Secret: "wrong", Auth: auth}, "invalid_client")
		w.tap.seen()
	}
}

func endsASession(w *tapped, c *foreignClient) {
	in := w.login()
	got := c.good(ask{Do: "refresh", ID: "login", RefreshToken: in.str(w.t, "refresh_token")})
	if r := c.one(ask{Do: "revoke", ID: "orders", Secret: w.secret, Token: got.RefreshToken}); r.Error != "invalid_grant" {
		w.t.Errorf("another client's: %+v", r)
	}
	w.get("/v1/session", withBearer(got.AccessToken)).want(w.t, 200, "")
	if r := c.one(ask{Do: "revoke", ID: "login", Token: got.RefreshToken}); r.Error != "" {
		w.t.Fatalf("%+v", r)
	}
	w.get("/v1/session", withBearer(got.AccessToken)).want(w.t, 401, "")
	c.refused(ask{Do: "refresh", ID: "login", RefreshToken: got.RefreshToken}, "invalid_grant")
}

func introspectsAsAService(w *tapped, c *foreignClient) {
	access := w.login().str(w.t, "access_token")
	for _, auth := range []string{"basic", "post"} {
		look := ask{Do: "introspect", ID: "orders", Secret: w.secret, Auth: auth, Token: access}
		if in := c.one(look).Introspection; in["active"] != true || in["sub"] != "u-ann" {
			w.t.Errorf("%v", in)
		}
		look.Token = "garbage"
		if in := c.one(look).Introspection; in["active"] != false || len(in) != 1 {
			w.t.Errorf("%v", in)
		}
	}
	w.post("/v1/logout", "", withBearer(access)).want(w.t, 204, "")
	if in := c.one(ask{Do: "introspect", ID: "orders", Secret: w.secret, Token: access}).Introspection; in["active"] != false {
		w.t.Errorf("%v", in)
	}
	c.refused(ask{Do: "introspect", ID: "orders", Secret: "wrong", Token: access}, "invalid_client")
}

// A revocation that the other replicas have not heard of is a 202, which the
// library takes for a failure: its caller tries again, as it should.
func isNotToldOfAHalfRevocation(w *tapped, c *foreignClient) {
	refresh := w.login().str(w.t, "refresh_token")
	w.log.apart.Store(true)
	if r := c.one(ask{Do: "revoke", ID: "login", Token: refresh}); r.Error == "" || r.Status != 202 {
		w.t.Errorf("%+v", r)
	}
	w.log.apart.Store(false)
	if r := c.one(ask{Do: "revoke", ID: "login", Token: refresh}); r.Error != "" {
		w.t.Errorf("%+v", r)
	}
	c.refused(ask{Do: "refresh", ID: "login", RefreshToken: refresh}, "invalid_grant")
}
