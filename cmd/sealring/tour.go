package main

import (
	"fmt"
	"io"
	"strings"
	"text/template"
)

// tour is what `sealring dev` prints. Everything from the first # line on can
// be pasted into a shell; a line that begins with "# prints" says what the
// line before it prints, where … stands for anything. A test runs it.
const tour = `Sealring is up on this machine.{{if .ThrowAway}} Everything is forgotten at the end (Ctrl-C).{{end}}

  issuer   {{.Issuer}}   the auth service
  admin    {{.Admin}}   its admin API
  demo     {{.Demo}}   a service that it protects
  browser  {{.Issuer}}/login   log in there, and it shows you the demo service
  user     {{.Username}}, password {{.Password}}
  client   {{.ClientID}}, secret {{.ClientSecret}}
  data     {{.Data}}

Paste this into another terminal, line by line or all at once:

# Log in for a token, and show it to the demo service.
TOKEN=$(curl -s {{.Issuer}}/v1/login -H 'Content-Type: application/json' -d '{"username":"{{.Username}}","password":"{{.Password}}","mode":"token"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s {{.Demo}}/ -H "Authorization: Bearer $TOKEN"
# prints {"subject":"{{.Subject}}",…}

# Log out. The demo service looks nothing up, and still refuses the token.
curl -s -o /dev/null -w '%{http_code}\n' -X POST {{.Issuer}}/v1/logout -H "Authorization: Bearer $TOKEN"
# prints 204
sleep 1; curl -s -o /dev/null -w '%{http_code}\n' {{.Demo}}/ -H "Authorization: Bearer $TOKEN"
# prints 401

# The same with a cookie, as a browser does it.
JAR=$(mktemp)
curl -s -c "$JAR" -o /dev/null -w '%{http_code}\n' {{.Issuer}}/v1/login -H 'Content-Type: application/json' -d '{"username":"{{.Username}}","password":"{{.Password}}","mode":"cookie"}'
# prints 200
curl -s -b "$JAR" {{.Demo}}/
# prints {"subject":"{{.Subject}}",…}
curl -s -b "$JAR" -o /dev/null -w '%{http_code}\n' -X POST {{.Issuer}}/v1/logout
# prints 204
sleep 1; curl -s -b "$JAR" -o /dev/null -w '%{http_code}\n' {{.Demo}}/
# prints 401
rm "$JAR"
`

func printTour(w io.Writer, info *devRun) error {
	t, err := template.New("tour").Parse(tour)
	if err != nil {
		return fmt.Errorf("printing the tour: %w", err)
	}
	var text strings.Builder
	err = t.Execute(&text, struct {
		*devRun
		Subject   string
		ThrowAway bool
	}{info, info.subject, info.throwAway})
	if err != nil {
		return fmt.Errorf("printing the tour: %w", err)
	}
	_, err = io.WriteString(w, text.String())
	return err
}
