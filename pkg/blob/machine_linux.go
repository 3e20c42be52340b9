package blob

import (
	"math"
	"syscall"
)

// machineMemory returns the memory of the machine in bytes: no file that is
// larger can be read whole, and a sparse one is soon made.
func machineMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return math.MaxInt64
	}
	return int64(min(uint64(info.Totalram)*uint64(info.Unit), math.MaxInt64)) //nolint:unconvert // of 32 bits on some processors
}
