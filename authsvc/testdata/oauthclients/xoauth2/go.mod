// A module of its own: what it requires is required of nobody who imports us.
module github.com/sealring-dev/sealring/authsvc/testdata/oauthclients/xoauth2

go 1.26.0

require golang.org/x/oauth2 v0.38.0
