package ringredis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// box makes values out of rings, and rings out of values.
type box struct {
	namespace string
	masters   []ringfile.MasterKey // the first seals, all open
}

// seal makes the value and makes sure that it can be read again.
func (b *box) seal(ring *keys.Ring) (string, error) {
	sealed, err := ringfile.SealFor(b.namespace, ring, b.masters[0])
	if err != nil {
		return "", err
	}
	value := strconv.FormatUint(ring.Generation(), 10) + ":" + string(sealed)
	if _, err := b.unseal(value); err != nil {
		return "", fmt.Errorf("reading back what would be written: %w", err)
	}
	return value, nil
}

func (b *box) unseal(value string) (*keys.Ring, error) {
	number, sealed, err := split(value)
	if err != nil {
		return nil, err
	}
	ring, err := ringfile.UnsealFor(b.namespace, []byte(sealed), b.masters...)
	if err != nil {
		return nil, err
	}
	if number != ring.Generation() {
		return nil, fmt.Errorf("%w: generation %d is inside, outside stands another", ringfile.ErrDamaged, ring.Generation())
	}
	return ring, nil
}

// split tells the generation, which is zero of no ring, from what is sealed.
func split(value string) (generation uint64, sealed string, err error) {
	number, sealed, ok := strings.Cut(value, ":")
	generation, err = strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || generation == 0 || strconv.FormatUint(generation, 10) != number {
		return 0, "", fmt.Errorf("%w: no generation stands before it", ringfile.ErrDamaged)
	}
	return generation, sealed, nil
}
