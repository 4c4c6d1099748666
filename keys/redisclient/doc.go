// Package redisclient makes the client with which the auth service reaches the
// Redis that its replicas share: from the text of a setting, and so that a
// Redis which does not answer holds nobody up.
//
// # The URL
//
//	redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]                              one server
//	redis-sentinel://[USER[:PASSWORD]@]HOST[:PORT],HOST[:PORT].../NAME[/DB] the primary NAME that these Sentinels watch
//	redis-cluster://[USER[:PASSWORD]@]HOST[:PORT],HOST[:PORT]...            a Cluster, found through any of these
//
// With rediss, rediss-sentinel or rediss-cluster every connection is under TLS
// (1.2 or later), those to Sentinels too; the certificate must be good for the
// HOST, or for the address that a Sentinel or the Cluster names. User and
// password are those of the servers (percent-encoded where they hold a
// reserved character); Sentinels are asked without. The port is 6379 where
// none is written, 26379 of a Sentinel.
//
// # Waiting
//
// go-redis waits for seconds by default, several times over, and does not heed
// the deadline of a call. A client made here gives up every command after
// Config.Timeout, whatever it was waiting for: a place in the pool, a
// connection, a Sentinel, a redirection, an answer. The command may have been
// carried out all the same, or may still be: an error means "unknown". Nothing
// is sent twice but to follow a Cluster's redirections. Subscriptions have
// deadlines of their own.
package redisclient
