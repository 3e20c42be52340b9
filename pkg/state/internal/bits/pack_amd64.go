//go:build !invariants

package bits

// canPack says whether pack and packEntries take numbers of w bits: each number and the
// bits before it in its first byte must be in eight bytes.
func canPack(w int) bool { return hasVectors && w > 0 && w <= 57 }

// places says where eight numbers of one width go that are packed behind each other, from
// the beginning of a byte on.
//
//nolint:unused // by the code for vectors
type places struct {
	// left is by how many bits each is moved. Of narrow ones, which are all in eight
	// bytes, that is to its place; of others, to where it begins in its first byte.
	left [8]uint64
	// right is by how many bits each is moved that it has in the first byte of the next
	// one, which is listed.
	right [8]uint64
	bytes [8]uint64 // before the first byte of each
}

// narrow is the greatest width of eight numbers that are in eight bytes. Wider ones have
// bits of no more than one other number in their first byte.
//
//nolint:unused // by the code for vectors
const narrow = 7

//nolint:unused // by the code for vectors
var placesOf = func() (all [58]places) {
	for w := range uint64(len(all)) {
		p := &all[w]
		for i := range uint64(8) {
			bit := i * w
			p.left[i], p.bytes[i] = bit%8, bit/8
			if p.right[i] = w - bit%8; i == 0 {
				p.right[i] = 64 // there is none before
			}
			if w <= narrow {
				p.left[i] = bit
			}
		}
	}
	return all
}()

// pack is Pack of numbers less base and a multiple of slope, which has at most 32 bits, of
// a width that canPack.
//
//go:noescape
func pack(dst *byte, w int, values *[ColumnLen]uint64, base, slope uint64)

// extent is Extent of signed numbers that fit in 32 bits; ok is false if they do not.
//
//go:noescape
func extent(values *[ColumnLen]uint64, slope uint64) (low, high int64, odd, ok bool)

// packEntries packs eights, at least one, of entries whose parts, together of w bits, a
// width that canPack, are in lists. Of the second and third there need not be one.
//
//go:noescape
func packEntries(dst *byte, w, eights int, lists *[entryParts]*uint32, e *Entry)
