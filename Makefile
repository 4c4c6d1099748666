# Everything a contributor runs. `make test` is what CI runs.

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: test lint needs dev build generate fuzz bench

test: needs lint ## all tests under the race detector; installs what they need
	go test -race -timeout 20m ./...

lint: ## formatting, vet, staticcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "not gofmt-ed: $$files" >&2; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...

# The race detector needs a C compiler; the exchange with other people's JOSE
# libraries needs Node and Debian's Python with two of its packages.
needs:
	@command -v gcc >/dev/null && command -v npm >/dev/null && /usr/bin/python3 -c 'import jwt, jwcrypto' 2>/dev/null || { \
		apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev python3-jwt python3-jwcrypto && \
		{ command -v npm >/dev/null || apt-get install -y -q --no-install-recommends nodejs npm; }; }

dev: ## the whole service on this machine
	go run ./cmd/sealring dev

build: ## bin/sealring
	go build -o bin/sealring ./cmd/sealring

generate: ## the server interface from openapi/openapi.yaml
	go generate ./...

fuzz: ## every fuzz target for FUZZTIME (default 30s) each
	@for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} $$p || exit 1; \
		done; done

bench: ## every benchmark, ten times, for benchstat
	go test -run '^$$' -bench . -benchmem -count 10 ./...
