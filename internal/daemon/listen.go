package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Errors of the Listen functions.
var (
	// ErrInUse says that another process has the address.
	ErrInUse = errors.New("address is in use by another process")
	// ErrNotSocket says that something else is where a socket should be.
	ErrNotSocket = errors.New("file is not a socket")
)

// maxSocketPath is the longest path that a Unix socket can have everywhere.
const maxSocketPath = 103

// probeTimeout bounds the question whether a socket is somebody's.
const probeTimeout = time.Second

// ListenTCP listens on host:port, where port 0 picks a free one. key is the
// configuration's key, which errors tell the user to change.
func ListenTCP(address, key string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: %w: choose another one with %s or the key %q", address, ErrInUse, Flag(key), key)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (key %q, %s): %w", address, key, Flag(key), err)
	}
	return l, nil
}

// ListenUnix listens on a Unix socket at path that only the own user can
// connect to, from its first moment on. A socket whose process is gone is
// replaced; one that somebody listens on, and anything that is no socket, is
// left alone. Closing the listener removes the file, unless it is no longer
// its own.
func ListenUnix(path string) (net.Listener, error) {
	folder := filepath.Dir(path)
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer lock.Close() // and so unlocks it
	if err := probeSocket(path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another path with %s or the key \"socket\", or stop who has it", path, err, Flag("socket"))
	}
	// It is made under another name, so that nobody sees it before its mode is
	// set, and replaces a dead one in a single step.
	private, err := os.MkdirTemp(folder, ".h")
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "s")
	if longest := max(len(path), len(temporary)); longest > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path is %d bytes too long for a socket: choose a shorter one with %s or the key \"socket\"", path, longest-maxSocketPath, Flag("socket"))
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	s := &socket{UnixListener: l, path: path}
	if err := s.publish(temporary); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return s, nil
}

// lockFolder keeps other processes from replacing a socket in the folder at
// the same time.
func lockFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0) // else a pipe would wait
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// probeSocket fails unless there is nothing at path, or a dead socket.
func probeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return ErrNotSocket
	}
	c, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		c.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInUse, err)
}

// socket is a listener that removes its file.
type socket struct {
	*net.UnixListener
	path  string
	own   fs.FileInfo
	close sync.Once
	err   error
}

func (s *socket) publish(temporary string) error {
	if err := os.Chmod(temporary, 0o600); err != nil {
		return err
	}
	own, err := os.Lstat(temporary)
	if err != nil {
		return err
	}
	s.own = own
	return os.Rename(temporary, s.path)
}

// Addr returns the path that clients connect to.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close stops listening and removes the file.
func (s *socket) Close() error {
	s.close.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.own) {
			os.Remove(s.path)
		}
		s.err = s.UnixListener.Close()
	})
	return s.err
}
