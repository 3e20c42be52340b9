package main

import "syscall"

const rusageThread = syscall.RUSAGE_THREAD
