package edtable

import (
	"bytes"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/edwards25519"
)

// tabled is a key with its multiples, however few it has verified.
func tabled(public ed25519.PublicKey) *Key {
	k := New(public)
	k.compute()
	k.uses.Store(worth)
	return k
}

// order is L, of the group that B generates.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// smallOrder are the points whose eighth multiple is zero, in each encoding that
// SetBytes takes.
var smallOrder = func() (all [][]byte) {
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080", // -0
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		all = append(all, unhex(text))
	}
	return append(all, tooLarge[0], tooLarge[1], tooLarge[2], tooLarge[3])
}()

// smallPoints are those points, in the same order.
var smallPoints = func() (all []*edwards25519.Point) {
	for _, b := range smallOrder {
		p, err := new(edwards25519.Point).SetBytes(b)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}()

// tooLarge are the encodings of a y that is p or more, with both signs: p for 0, p+1
// for 1, and so on to 2^255-1 for 18. SetBytes takes those that are of a point.
var tooLarge = func() (all [][]byte) {
	for y := range 19 {
		b := unhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
		b[0] += byte(y)
		negative := bytes.Clone(b)
		negative[31] |= 0x80
		all = append(all, b, negative)
	}
	return all
}()

func unhex(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// source draws cases. Half of what it draws is what a forger would try.
type source struct{ *rand.Rand }

func (s source) fill(b []byte) []byte {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

func (s source) random() *edwards25519.Scalar {
	k, err := edwards25519.NewScalar().SetUniformBytes(s.fill(make([]byte, 64)))
	if err != nil {
		panic(err)
	}
	return k
}

func (s source) point() *edwards25519.Point {
	return edwards25519.NewIdentityPoint().ScalarBaseMult(s.random())
}

// small is a point of small order.
func (s source) small() *edwards25519.Point {
	return smallPoints[s.IntN(len(smallPoints))]
}

// odd is an encoding that is of small order, or of what is too large.
func (s source) odd() []byte {
	all := [][][]byte{smallOrder, tooLarge}[s.IntN(2)]
	return bytes.Clone(all[s.IntN(len(all))])
}

// scalar is the 32 bytes of one that is canonical, or of what must not be taken for
// it.
func (s source) scalar() []byte {
	n := new(big.Int).SetBytes(s.fill(make([]byte, 32)))
	n.Mod(n, order)
	switch s.IntN(6) {
	case 0:
		n.SetInt64(int64(s.IntN(3)))
	case 1:
		n.Sub(order, big.NewInt(int64(s.IntN(3)-1))) // L-1, L, L+1
	case 2:
		n.Add(n, order)
	case 3:
		n.SetBytes(s.fill(make([]byte, 32)))
	}
	out := n.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return out
}

// pair is a public key and what is known of its private half.
type pair struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey   // nil: it is not a usual key
	log     *edwards25519.Scalar // a, where the public key is a·B and a point of small order; nil: unknown
}

func (s source) pair() pair {
	seed := s.fill(make([]byte, 32))
	private := ed25519.NewKeyFromSeed(seed)
	h := sha512.Sum512(seed)
	a, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		panic(err)
	}
	usual := pair{private.Public().(ed25519.PublicKey), private, a}
	switch s.IntN(8) {
	case 0: // of small order
		return pair{bytes.Clone(smallOrder[s.IntN(len(smallOrder))]), nil, edwards25519.NewScalar()}
	case 1, 2: // of mixed order
		return pair{edwards25519.NewIdentityPoint().Add(new(edwards25519.Point).ScalarBaseMult(a), s.small()).Bytes(), nil, a}
	case 3: // often no point
		return pair{[][]byte{s.odd(), s.fill(make([]byte, 32))}[s.IntN(2)], nil, nil}
	case 4: // -A
		usual.public[31] ^= 0x80
		return pair{usual.public, nil, a.Negate(a)}
	}
	return usual
}

// signature is one for the message, or nearly.
func (s source) signature(p pair, message []byte) []byte {
	var sig []byte
	switch {
	case p.private != nil && s.IntN(2) == 0:
		sig = ed25519.Sign(p.private, message)
	case p.log != nil:
		sig = s.forge(p, message)
	default:
		sig = append(s.point().Bytes(), s.random().Bytes()...)
	}
	switch s.IntN(12) {
	case 0: // R of small order, or encoded otherwise
		copy(sig, s.odd())
	case 1:
		copy(sig[32:], s.scalar())
	case 2: // S + L
		le := bytes.Clone(sig[32:])
		slices.Reverse(le)
		n := new(big.Int).SetBytes(le)
		if n.Add(n, order); n.BitLen() <= 256 {
			n.FillBytes(le)
			slices.Reverse(le)
			copy(sig[32:], le)
		}
	case 3:
		sig[s.IntN(64)] ^= 1 << s.IntN(8)
	case 4: // what a small public key makes good
		copy(sig, s.odd())
		copy(sig[32:], make([]byte, 32))
	case 5:
		return sig[:s.IntN(65)]
	}
	return sig
}

// forge signs for a key of any order, with an R of any order: r·B and a point of
// small order, r zero at times, encoded otherwise where that can be. The equation
// holds but for points of small order, and in one of some eight cases for these too.
func (s source) forge(p pair, message []byte) []byte {
	r := edwards25519.NewScalar()
	if s.IntN(3) > 0 {
		r = s.random()
	}
	point := edwards25519.NewIdentityPoint().ScalarBaseMult(r)
	if s.IntN(2) == 0 {
		point.Add(point, s.small())
	}
	encoded := point.Bytes()
	for i, p := range smallPoints {
		if p.Equal(point) == 1 && s.IntN(3) == 0 {
			encoded = smallOrder[i]
		}
	}
	h := sha512.Sum512(slices.Concat(encoded, p.public, message))
	k, err := edwards25519.NewScalar().SetUniformBytes(h[:])
	if err != nil {
		panic(err)
	}
	return append(bytes.Clone(encoded), k.MultiplyAdd(k, p.log, r).Bytes()...)
}

// What the table accepts the standard library accepts, and the reverse: random
// signatures, those of forgers, and points and scalars that are encoded otherwise
// or of small or mixed order. 25,000 of them; SEALRING_FULL=1: 10,000,000.
func TestItAcceptsExactlyWhatTheStandardLibraryDoes(t *testing.T) {
	keys, each := 200, 125
	if os.Getenv("SEALRING_FULL") != "" {
		keys, each = 5000, 2000
	}
	seed := uint64(time.Now().UnixNano())
	var good, bad, oddGood, next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := next.Add(1); n <= int64(keys) && !t.Failed(); n = next.Add(1) {
				s := source{rand.New(rand.NewPCG(seed, uint64(n)))}
				p := s.pair()
				k := tabled(p.public)
				for range each {
					message := s.fill(make([]byte, s.IntN(200)))
					sig := s.signature(p, message)
					want := ed25519.Verify(p.public, message, sig)
					if got := k.Verify(message, sig); got != want {
						t.Errorf("seed %d: %v, the standard library says %v: key %x, message %x, signature %x", seed, got, want, p.public, message, sig)
						return
					}
					switch {
					case !want:
						bad.Add(1)
					case p.private == nil:
						oddGood.Add(1)
					default:
						good.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	t.Logf("accepted by both: %d of usual keys, %d of others; %d refused by both", good.Load(), oddGood.Load(), bad.Load())
	if min(good.Load(), oddGood.Load(), bad.Load()) < int64(keys*each)/50 {
		t.Error("nearly all cases come out alike: this test sees little")
	}
}

// Each key of small order has signatures that any message makes good: by both.
func TestSmallOrdersAreNoExceptionAndNoHole(t *testing.T) {
	accepted := 0
	for _, public := range slices.Concat(smallOrder, tooLarge) {
		k := tabled(public)
		for _, r := range slices.Concat(smallOrder, tooLarge) {
			for n := range 4 {
				message, sig := fmt.Appendf(nil, "message %d", n), append(bytes.Clone(r), make([]byte, 32)...)
				want := ed25519.Verify(public, message, sig)
				if got := k.Verify(message, sig); got != want {
					t.Errorf("key %x, R %x: %v, want %v", public, r, got, want)
				}
				if want {
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no case was one that is accepted")
	}
}

func TestTheMultiplesAreThose(t *testing.T) {
	p := source{rand.New(rand.NewPCG(1, 2))}.point()
	table := newTable(p)
	for _, at := range []struct{ digit, half int }{{0, 0}, {0, 127}, {1, 0}, {7, 99}, {31, 0}, {31, 127}} {
		n := new(big.Int).Lsh(big.NewInt(int64(at.half+1)), uint(8*at.digit))
		n.Mod(n, order)
		le := n.FillBytes(make([]byte, 32))
		slices.Reverse(le)
		k, err := edwards25519.NewScalar().SetCanonicalBytes(le)
		if err != nil {
			t.Fatal(err)
		}
		want := edwards25519.NewIdentityPoint().ScalarMult(k, p)
		var sum point
		sum.zero()
		sum.add(&table[at.digit][at.half])
		if got := sum.bytes(); !bytes.Equal(got[:], want.Bytes()) {
			t.Errorf("%d times 256^%d: %x, want %x", at.half+1, at.digit, got, want.Bytes())
		}
		sum.subtract(&table[at.digit][at.half])
		if got := sum.bytes(); got != [32]byte{1} {
			t.Errorf("less itself: %x", got)
		}
	}
}

func TestAKeyIsTabledOnceItIsWorthIt(t *testing.T) {
	s := source{rand.New(rand.NewPCG(3, 4))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	k := New(private.Public().(ed25519.PublicKey))
	sig := ed25519.Sign(private, []byte("x"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range worth {
				if !k.Verify([]byte("x"), sig) || k.Verify([]byte("y"), sig) {
					t.Error("a wrong verdict")
				}
			}
		})
	}
	all.Wait()
	if k.table.Load() == nil {
		t.Error("there is no table")
	}
	for _, public := range []ed25519.PublicKey{nil, make([]byte, 31), bytes.Repeat([]byte{0xFF}, 32)} {
		if k := tabled(public[:min(len(public), 32)]); k.Verify([]byte("x"), sig) {
			t.Errorf("%x verifies", public)
		}
	}
}

func TestInFIPSModeTheStandardLibraryVerifies(t *testing.T) {
	if !fips140.Enabled() {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("in FIPS mode")) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	t.Log("in FIPS mode")
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	k, sig := New(private.Public().(ed25519.PublicKey)), ed25519.Sign(private, []byte("x"))
	for range 2 * worth {
		if !k.Verify([]byte("x"), sig) || k.Verify([]byte("y"), sig) {
			t.Fatal("a wrong verdict")
		}
	}
	if k.table.Load() != nil {
		t.Error("there is a table")
	}
}

// of-std is the time of a verification over that of the standard library, in turns.
func BenchmarkVerify(b *testing.B) {
	s := source{rand.New(rand.NewPCG(5, 6))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	public := private.Public().(ed25519.PublicKey)
	message := s.fill(make([]byte, 500))
	sig, k := ed25519.Sign(private, message), tabled(public)
	var ratios []float64
	for b.Loop() {
		ours := timed(func() { k.Verify(message, sig) })
		ratios = append(ratios, ours/timed(func() { ed25519.Verify(public, message, sig) }))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of-std")
}

func timed(f func()) float64 {
	start := time.Now()
	for range 20 {
		f()
	}
	return float64(time.Since(start))
}

func BenchmarkCompute(b *testing.B) {
	for b.Loop() {
		newTable(edwards25519.NewGeneratorPoint())
	}
}

func FuzzVerify(f *testing.F) {
	s := source{rand.New(rand.NewPCG(7, 8))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	f.Add([]byte(private.Public().(ed25519.PublicKey)), []byte("x"), ed25519.Sign(private, []byte("x")))
	for _, small := range smallOrder {
		f.Add(small, []byte("x"), append(bytes.Clone(small), make([]byte, 32)...))
	}
	f.Fuzz(func(t *testing.T, public, message, sig []byte) {
		if len(public) != ed25519.PublicKeySize {
			if New(public).Verify(message, sig) {
				t.Error("what is no key verifies")
			}
			return
		}
		if got, want := tabled(public).Verify(message, sig), ed25519.Verify(public, message, sig); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
