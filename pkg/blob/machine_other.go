//go:build !linux

package blob

// machineMemory returns how much of a file is read whole at most, in bytes, where
// the memory of the machine is not known.
func machineMemory() int64 { return 1 << 40 }
