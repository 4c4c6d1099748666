// Package storm has no code of its own: its tests put the refresh protocol to
// what it was made for, on real sockets and a real Redis, and count. Thousands
// refresh one token at the same time, over two replicas: on one server, on a
// cluster, and while Redis is killed, emptied or fails over. And clients of three
// kinds refresh through a proxy that does everything bad networks do, thieves
// among them.
//
// The everyday sizes are small; SEALRING_FULL=1 (make refresh-full) runs the
// large ones.
package storm
