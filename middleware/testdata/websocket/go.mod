// A module of its own: what it requires is required of nobody who imports us.
module github.com/sealring-dev/sealring/middleware/testdata/websocket

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/sealring-dev/sealring v0.0.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
)

replace github.com/sealring-dev/sealring => ../../..
