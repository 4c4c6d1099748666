package grpcauth

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealring-dev/sealring/middleware"
)

// Refusal returns an error of middleware as a client of gRPC is to hear it. The
// interceptors do so by themselves; it is here for a method that has one from
// middleware.Guard.Renew or a middleware.Rule.
func Refusal(err error) error {
	httpStatus, code := middleware.Answer(err)
	return status.Error(codeOf(httpStatus), code)
}

func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.Unauthenticated
}
