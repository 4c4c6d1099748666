// Consumer is the smallest program that uses the middleware: what it builds is
// what every service that imports us builds.
package main

import "github.com/sealring-dev/sealring/middleware"

func main() { _, _ = middleware.New(nil, middleware.Config{}) }
