// Package place holds the three coordinates that every other package speaks in: an address in a
// process, an offset in a file or module, and the build that a module is. All print as people read
// them in gdb and objdump: lowercase hexadecimal.
package place

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// Address is a virtual address in the dead process. It prints as 0x followed by 16 digits, so that
// columns of addresses line up and text search finds them.
type Address uint64

// Offset is a distance in bytes from the start of a file or of a module's lowest mapping. It prints
// as 0x followed by as few digits as it needs, the form of abrt's backtraces and of addr2line's input.
type Offset uint64

// BuildID is the content of an ELF NT_GNU_BUILD_ID note in lowercase hexadecimal; empty means unknown.
type BuildID string

// BuildIDFrom turns a note's descriptor bytes into a BuildID.
func BuildIDFrom(desc []byte) BuildID { return BuildID(hex.EncodeToString(desc)) }

func (a Address) String() string { return fmt.Sprintf("0x%016x", uint64(a)) }
func (o Offset) String() string  { return fmt.Sprintf("0x%x", uint64(o)) }

// Short is the first eight digits, enough to tell builds apart on a screen.
func (b BuildID) Short() string { return string(b[:min(8, len(b))]) }

// Add moves an address by a signed distance, wrapping as the machine does.
func (a Address) Add(n int64) Address { return a + Address(n) }

// MarshalText gives the printed form, so that JSON carries addresses as strings: a number above 2^53
// would be rounded by most JSON readers.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText gives the printed form, for the same reason as Address's.
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Address) UnmarshalText(text []byte) error {
	v, err := parseHex(text)
	*a = Address(v)
	return err
}

// UnmarshalText reads what MarshalText writes.
func (o *Offset) UnmarshalText(text []byte) error {
	v, err := parseHex(text)
	*o = Offset(v)
	return err
}

func parseHex(text []byte) (uint64, error) {
	v, err := strconv.ParseUint(string(text), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %q as a hexadecimal number: %w", text, err)
	}
	return v, nil
}
