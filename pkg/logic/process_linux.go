package logic

import "syscall"

// ownGroup starts a command in a process group of its own, which the system
// kills if the thread that starts it ends, and so if we are killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
