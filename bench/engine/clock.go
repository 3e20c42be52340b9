package main

import (
	"syscall"
	"time"
)

// processTime returns the processor seconds that the process has taken.
func processTime() float64 { return used(syscall.RUSAGE_SELF).Seconds() }

// threadTime returns the processor time that this thread has taken.
func threadTime() time.Duration { return used(rusageThread) }

func used(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
