# Everything a contributor runs. `make test` is what CI runs.

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: test full faults-full data-full sessions-full model refresh-full feed-full guard-full bench-revocation lint needs dev build generate fuzz bench bench-list bench-peers

test: needs lint ## all tests under the race detector; installs what they need
	go test -race -timeout 20m ./...
	go test -run 'ItAcceptsExactly' -count 4 ./keys/edtable
	cd bench/peers && go test -race ./...
	cd middleware/examples && go test -race ./...

# The sizes of the published figures; RESULTS.md says what they came to.
full: needs ## the proofs at full size, about 17 minutes
	SEALRING_FULL=1 go test -v -timeout 60m -run 'NoEditSurvives|MutantsMeetTheOracle' ./tokens
	SEALRING_FULL=1 go test -v -timeout 60m -run 'AnySystemCall' ./keys/ringfile
	SEALRING_FULL=1 go test -v -timeout 60m -run 'KeysRotateUnderLoad|NoByteOfACookie|ThreeTabs' ./authsvc
	go test -v -timeout 60m -run 'NoKeySealsMoreThanItMay' ./authsvc -rapid.checks 20000
	SEALRING_FULL=1 go test -v -timeout 60m -run 'OnlyTheRevokedSubjectsStreams' ./middleware
	SEALRING_FULL=1 go test -v -timeout 60m ./bench/feedsim
	go test -v -timeout 60m -run 'NoRotationEver|RevocationsAreObeyed|OneTickShorter' ./keys -rapid.checks 2000
	go test -run '^$$' -bench 'Verify|Hostile|Open' -benchmem -count 5 ./tokens

faults-full: needs ## the faults of Redis at full size, about 15 minutes
	SEALRING_FULL=1 go test -v -timeout 60m -run 'NoRevocationIsLost|AFrozenRedisDelays|NothingAcknowledgedIsEverLost' ./authsvc/redisstore

data-full: ## changes of the data of sessions in 20,000 random schedules, 100,000 sessions of random schemas, 2 minutes
	SEALRING_FULL=1 go test -v -timeout 30m -run 'TwoWhoAdd|OfTwoWho|NoSchedule' ./authsvc
	SEALRING_FULL=1 go test -v -timeout 30m ./authsvc/sessionschema

sessions-full: needs ## chains of 10,000 refreshes and the bytes of a session at full size, about 7 minutes
	SEALRING_FULL=1 go test -v -timeout 30m -run 'LongChain|NoChain' ./authsvc
	SEALRING_FULL=1 go test -v -timeout 30m -run 'LongChain|BytesOfASession|EndedSessions|TheStepInRedis' ./authsvc/redisstore
	go test -v -run 'BytesOfASession' ./authsvc/boltstore
	go test -run '^$$' -bench Step -benchtime 20x ./authsvc/redisstore

model: ## every state of the model of refresh, with up to two faults
	SEALRING_FULL=1 go test -v -timeout 60m -run 'TheModelOfRefresh' ./authsvc

refresh-full: needs ## 10,000 racers for one refresh token, also through faults of Redis, and a bad network with thieves, about 25 minutes
	SEALRING_FULL=1 go test -v -timeout 60m ./bench/storm

feed-full: ## the figures of the feed at full size, about 2 minutes; 2,200 connections
	SEALRING_FULL=1 go test -v -timeout 20m -run 'Figures' ./authsvc

bench-revocation: needs ## how long a revocation takes to 50 verifiers, half a minute
	go test -run '^$$' -bench Revocation -benchtime 200x ./authsvc/redisstore

guard-full: ## the guard's figures and proofs at full size, about 15 minutes
	SEALRING_FULL=1 go test -v -timeout 60m -run 'Flood|EveryAnswer|ThreeMegabytes' ./middleware
	SEALRING_FULL=1 go test -v -timeout 120m -run 'ItAcceptsExactly' ./keys/edtable
	go test -run '^$$' -bench 'Hot|Cold' -benchtime 3s ./middleware

lint: ## formatting, vet, staticcheck
	@files=$$(gofmt -l $$(find . -name '*.go' -not -path './node_modules/*')); test -z "$$files" || { echo "not gofmt-ed: $$files" >&2; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	cd bench/peers && go vet ./... && $(STATICCHECK) ./...
	cd middleware/examples && go vet ./... && $(STATICCHECK) ./...

# What the tests run beside Go: a C compiler for the race detector, curl and ps
# for what the README tells people to paste, strace to see what is synced and to
# fail every system call of a key rotation, a Redis server, the proxies of deploy, the servers
# and browsers whose limits the budget knows, and other people's JOSE and OAuth libraries.
PROGRAMS = gcc:gcc libc6-dev:/usr/include/stdlib.h curl:curl procps:ps strace:strace redis-server:redis-server haproxy:/usr/sbin/haproxy nginx:/usr/sbin/nginx caddy:caddy apache2-bin:/usr/sbin/apache2 \
	lua-socket:/usr/share/lua/5.3/socket chromium:chromium firefox-esr:firefox-esr tomcat10-common:/usr/share/tomcat10/bin/catalina.sh \
	npm:npm python3-jwt:/usr/lib/python3/dist-packages/jwt python3-jwcrypto:/usr/lib/python3/dist-packages/jwcrypto \
	python3-requests-oauthlib:/usr/lib/python3/dist-packages/requests_oauthlib python3-authlib:/usr/lib/python3/dist-packages/authlib
needs:
	@missing=; for p in $(PROGRAMS); do \
		command -v $${p#*:} >/dev/null || test -e $${p#*:} || missing="$$missing $${p%%:*}"; done; \
	test -z "$$missing" || { apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; }

dev: ## the whole service on this machine
	go run ./cmd/sealring dev

build: ## bin/sealring
	go build -o bin/sealring ./cmd/sealring

generate: ## the server interface from openapi/openapi.yaml
	go generate ./...

# Without the limit the whole time goes into making the first input smaller, where
# what is tried draws random numbers: a seal looks different each time.
fuzz: ## every fuzz target for FUZZTIME (default 30s) each
	@for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} -fuzzminimizetime 10x $$p || exit 1; \
		done; done

bench: ## every benchmark, ten times, for benchstat
	go test -run '^$$' -bench . -benchmem -count 10 ./...

bench-peers: needs ## what it costs to know who is logged in: the guard, other libraries, sessions in Redis; ten seconds
	cd bench/peers && go run . -svg cost.svg

bench-list: ## the revocation list against a Go map (of-map is its time over the map's), and what a writer does
	go test -run '^$$' -bench 'MatchAbsent|Apply' -benchmem ./tokens/revocation
