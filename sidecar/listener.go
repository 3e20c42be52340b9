package sidecar

import (
	"net"
	"sync"
)

// limitedListener has at most so many connections at a time; further ones wait.
type limitedListener struct {
	net.Listener
	room chan struct{}
	stop chan struct{}
	once sync.Once
}

func limitListener(l net.Listener, n int) *limitedListener {
	return &limitedListener{Listener: l, room: make(chan struct{}, n), stop: make(chan struct{})}
}

// Accept waits for room, then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.stop:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

// Close stops listening; connections stay.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.stop) })
	return l.Listener.Close()
}

// callerListener has at most so many connections of one host at a time, so that
// it does not leave others without; further ones are closed.
type callerListener struct {
	net.Listener
	callers *callers
}

// Accept waits for a connection that may stay.
func (l callerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := l.callers.admit(c); admitted != nil {
			return admitted, nil
		}
		c.Close()
	}
}

// limitedConn makes room when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
