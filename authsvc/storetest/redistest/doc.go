// Package redistest gives a test real Redis servers of its own, and the ways
// in which Redis fails: killed, restarted empty, frozen, wiped, failed over.
//
//	func TestX(t *testing.T) {
//		server := redistest.Start(t)
//		client := server.Client(t)
//		…
//		server.Stop()    // frozen: connections are accepted, nothing is answered
//		server.Cont()
//		server.Restart() // killed, and back on the same address with no data
//	}
//
// [StartCluster] makes a Redis Cluster of primaries, [StartSentinel] a primary
// with replicas under one Sentinel.
//
// Every server is a process that listens on a free port of 127.0.0.1 alone and
// keeps nothing on disk unless the test passes it arguments that say so. It
// ends with its test, and with the test's process even if that is killed
// (Linux). A server that can not be started fails the test: there is no
// skipping. redis-server and redis-cli have to be installed (make needs).
//
// Helpers fail the test from the goroutine that calls them, so call them from
// the test's own.
package redistest
