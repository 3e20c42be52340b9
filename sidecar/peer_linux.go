package sidecar

import (
	"net"
	"syscall"
)

// peerUser returns the user at the other end of a Unix socket.
func peerUser(conn net.Conn) (user int, ok bool) {
	if c, is := conn.(*limitedConn); is {
		conn = c.Conn
	}
	c, is := conn.(*net.UnixConn)
	if !is {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	control := func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			user, ok = int(cred.Uid), true
		}
	}
	if err := raw.Control(control); err != nil {
		return 0, false
	}
	return user, ok
}
