package grpcauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/sealring-dev/sealring/middleware"
)

// Config says who stands before which methods. Guard is required.
//
// A method is named "/package.Service/Method", as the constants
// Service_Method_FullMethodName of generated code are, and all those of a service
// "/package.Service/".
type Config struct {
	// Guard judges the calls.
	Guard *middleware.Guard

	// Rules are what methods demand of a session beyond being valid. Those of a
	// service and of its method add up. Zero: a valid session is enough.
	Rules map[string][]middleware.Rule

	// Open are the methods that everybody may call: no token is looked for, and
	// Rules has no say. Zero: every method needs a session.
	Open []string
}

// ErrConfig is what New and Covers fail with: the Config can never work.
var ErrConfig = errors.New("unusable gRPC guard configuration")

// Interceptors are for grpc.ChainUnaryInterceptor and
// grpc.ChainStreamInterceptor. They are made by New and safe for concurrent use.
type Interceptors struct {
	guard *middleware.Guard
	rules map[string][]middleware.Rule
	open  map[string]bool
}

// New returns the interceptors. The only error is ErrConfig.
func New(cfg Config) (*Interceptors, error) {
	if cfg.Guard == nil {
		return nil, fmt.Errorf("%w: Guard is required", ErrConfig)
	}
	i := &Interceptors{guard: cfg.Guard, rules: maps.Clone(cfg.Rules), open: map[string]bool{}}
	for _, name := range cfg.Open {
		i.open[name] = true
	}
	for name := range i.names {
		if service, _ := split(name); !strings.HasPrefix(name, "/") || strings.Count(name, "/") != 2 || len(service) < len("/s/") {
			return nil, fmt.Errorf("%w: %q is not /package.Service/Method or /package.Service/", ErrConfig, name)
		}
	}
	return i, nil
}

// Covers reports, as ErrConfig, a name of the Config that nothing of the server
// has: such a rule would protect nothing. It is to be called when all services
// are registered.
func (i *Interceptors) Covers(server *grpc.Server) error {
	there := map[string]bool{}
	for service, info := range server.GetServiceInfo() {
		there["/"+service+"/"] = true
		for _, m := range info.Methods {
			there["/"+service+"/"+m.Name] = true
		}
	}
	for name := range i.names {
		if !there[name] {
			return fmt.Errorf("%w: the server has no %s", ErrConfig, name)
		}
	}
	return nil
}

// names yields the names of the Config in the order of the alphabet.
func (i *Interceptors) names(yield func(string) bool) {
	for _, names := range [][]string{slices.Sorted(maps.Keys(i.rules)), slices.Sorted(maps.Keys(i.open))} {
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}
}

// split cuts "/package.Service/Method" before the method.
func split(name string) (service, method string) {
	at := strings.LastIndexByte(name, '/') + 1
	return name[:at], name[at:]
}

func (i *Interceptors) isOpen(method string) bool {
	service, _ := split(method)
	return i.open[service] || i.open[method]
}

// of returns what a method demands.
func (i *Interceptors) of(method string) []middleware.Rule {
	service, _ := split(method)
	if ofService := i.rules[service]; len(ofService) > 0 && service != method {
		return slices.Concat(ofService, i.rules[method])
	}
	return i.rules[method]
}
