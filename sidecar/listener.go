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
