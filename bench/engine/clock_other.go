//go:build !linux

package main

import "syscall"

// rusageThread: elsewhere the time of the process stands in.
const rusageThread = syscall.RUSAGE_SELF
