package main

import (
	"fmt"
	"net/netip"
)

// proxies are the networks in trusted_proxies; an address stands for itself.
func (s *settings) proxies() (all []netip.Prefix, err error) {
	for _, text := range s.Proxies {
		p, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is no network: write it as 10.0.0.0/8 or fd00::/8, or one address", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// adopts tells what becomes of tokens older than a store.
func (s *settings) adopts() bool { return s.StateLost == "adopt" }
