package logic

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Where a command finds its session; see proto/holdfast/v1/logic.proto.
const (
	EnvAddress = "HOLDFAST_ADDRESS" // of a gRPC server, such as unix:/run/x
	EnvSession = "HOLDFAST_SESSION"
)

// keySession is the metadata that names the session in each call.
const keySession = "holdfast-session"

var (
	// ErrCrashed says that a command did not end with exit code 0.
	ErrCrashed = errors.New("the command failed")
	// ErrTimeout says that a command was killed because it took too long.
	ErrTimeout = errors.New("the command took too long")
	// errNotRun says that nothing is known about the logic.
	errNotRun = errors.New("command was not run")
	// errSession says that a call does not name the session.
	errSession = errors.New("the call does not name the session of " + EnvSession + " in its metadata " + keySession)
)

// maxMessage is the largest message that either side takes, in bytes.
const maxMessage = 256 << 20

// A Command is a logic in a process of its own: any program that reads its
// session and hands in its output by holdfast.v1.Logic. Its environment is ours
// without HOLDFAST_…, so that it knows no store.
type Command struct {
	// Args are the program and its arguments.
	Args []string
	// Supervisor is a program and its arguments that calls Supervise with the
	// arguments after these, which are Args. Without one, processes that the
	// command started are killed only if they are still in its process group.
	// It must be empty but on Linux.
	Supervisor []string
	// Timeout kills the command and all that it started; 0 means never.
	Timeout time.Duration
	// Print gets what the command prints, if it is not nil.
	Print io.Writer
}

// Build names the code by a digest of the program and its arguments, and of the
// files among these, which Files returns. What else a command reads has no part
// in it: modules and libraries, folders, the environment, the words of a script
// after -c.
func (c *Command) Build() (string, error) {
	path, err := c.path()
	if err != nil {
		return "", err
	}
	if len(c.Args) == 1 {
		return fileBuild(path)
	}
	parts := c.Args[1:]
	for i, name := range c.files(path) {
		if name == "" {
			continue
		}
		build, err := fileBuild(name)
		if err != nil {
			return "", err
		}
		parts = append(parts[:len(parts):len(parts)], fmt.Sprintf("%d %s", i, build))
	}
	return digest(parts), nil
}

// Program returns a digest of the program and of its arguments, but not of the
// files among these, which it may write. The name of its file counts, other than
// in Build: one file may be several programs, and know by its name which to be.
func (c *Command) Program() (string, error) {
	path, err := c.path()
	if err != nil {
		return "", err
	}
	build, err := fileBuild(path)
	return digest(append([]string{build, filepath.Base(c.Args[0])}, c.Args[1:]...)), err
}

// Files returns the files that Build is a digest of: the program, each argument
// that is a regular file, and what an argument has after its first = or an @ at
// its beginning, if that is one.
func (c *Command) Files() ([]string, error) {
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(c.files(path), func(name string) bool { return name == "" }), nil
}

// path returns the file of the program.
func (c *Command) path() (string, error) {
	if len(c.Args) == 0 {
		return "", errors.New("name build: there is no command")
	}
	path, err := exec.LookPath(c.Args[0])
	if err != nil {
		return "", fmt.Errorf("name build: %w", err)
	}
	return path, nil
}

// files returns the file that each argument names, "" if it is none; the first
// is the program.
func (c *Command) files(program string) []string {
	out := []string{program}
	for _, arg := range c.Args[1:] {
		_, value, _ := strings.Cut(arg, "=")
		names := []string{arg, value, strings.TrimPrefix(arg, "@"), strings.TrimPrefix(value, "@")}
		i := slices.IndexFunc(names, func(name string) bool {
			info, err := os.Stat(name)
			return err == nil && info.Mode().IsRegular()
		})
		if i < 0 {
			names, i = []string{""}, 0
		}
		out = append(out, names[i])
	}
	return out
}

func digest(parts []string) string {
	return "sha256:" + dataset.DigestOf([]byte(strings.Join(parts, "\x00"))).String()
}

// Logic returns the logic that c is, for an output of that name and schema.
func (c *Command) Logic(output dataset.Name, m *protomap.Mapping) *Logic {
	return &Logic{Name: filepath.Base(c.Args[0]), Output: m, command: c, Run: func(ctx context.Context, s *Session, emit func(proto.Message) error) error {
		return c.run(ctx, &host{session: s, output: output, mapping: m, emit: emit})
	}}
}

// run starts the command and serves it until it ends.
func (c *Command) run(ctx context.Context, h *host) error {
	dir, remove, err := Scratch()
	if err != nil {
		return fmt.Errorf("%w: %w", errNotRun, err)
	}
	defer func() { _ = remove() }() // or the next one does
	socket, token := filepath.Join(dir, "s"), rand.Text()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotRun, err)
	}
	server, err := h.server(token)
	if err != nil {
		_ = listener.Close()
		return fmt.Errorf("%w: %w", errNotRun, err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	failed := c.execute(ctx, []string{EnvAddress + "=unix:" + socket, EnvSession + "=" + token})
	server.Stop() // waits for the calls, which emit
	_ = <-served  // it says that it was stopped
	return outcome(h.outcome(), failed)
}

// outcome returns why there is no output: of what the session saw and of how the
// process ended whichever says more.
func outcome(fault, failed error) error {
	switch {
	case failed == nil:
		return fault
	case fault == nil || errors.Is(fault, ErrNotCommitted) || !errors.Is(failed, ErrCrashed):
		return failed
	}
	return fault
}

// server serves the session to who knows the token.
func (h *host) server(token string) (*grpc.Server, error) {
	look, err := newLookup(h)
	if err != nil {
		return nil, err
	}
	allow := func(ctx context.Context) error {
		if values := metadata.ValueFromIncomingContext(ctx, keySession); len(values) != 1 || values[0] != token {
			return h.fail(errSession)
		}
		return nil
	}
	s := grpc.NewServer(
		grpc.WaitForHandlers(true), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := allow(ctx); err != nil {
				return nil, err
			}
			return next(ctx, in)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := allow(stream.Context()); err != nil {
				return err
			}
			return next(srv, stream)
		}),
		grpc.UnknownServiceHandler(look.handle),
	)
	holdfastv1.RegisterLookupServer(s, look)
	holdfastv1.RegisterLogicServer(s, h)
	return s, nil
}

// execute runs the command to its end, and ends with it all that it started.
func (c *Command) execute(ctx context.Context, env []string) error {
	run, cancel := ctx, context.CancelFunc(func() {})
	if c.Timeout > 0 {
		run, cancel = context.WithTimeout(ctx, c.Timeout)
	}
	defer cancel()
	said := &tail{to: c.Print}
	start := c.startAlone
	if len(c.Supervisor) > 0 {
		start = c.startSupervised
	}
	runtime.LockOSThread() // see ownGroup
	defer runtime.UnlockOSThread()
	wait, err := start(run, env, said)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotRun, err)
	}
	err = wait()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("command %s: %w", c.Args[0], ctx.Err())
	case run.Err() != nil:
		return fmt.Errorf("command %s: %w: more than %s%s", c.Args[0], ErrTimeout, c.Timeout, said)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("command %s: %w: %w%s", c.Args[0], ErrCrashed, err, said)
	}
	return nil
}

// prepare makes what the command needs besides its arguments.
func prepare(ctx context.Context, args, env []string, said io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(ownEnv(), env...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = time.Second // for what it started and left behind
	return cmd
}

// startAlone starts the command, whose process group ends with it.
func (c *Command) startAlone(ctx context.Context, env []string, said io.Writer) (wait func() error, err error) {
	cmd := prepare(ctx, c.Args, env, said)
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		err := cmd.Wait()
		_ = kill() // fails if nothing is left
		return err
	}, nil
}

// ownEnv returns our environment without our own variables.
func ownEnv() []string {
	var out []string
	for _, x := range os.Environ() {
		if !strings.HasPrefix(x, "HOLDFAST_") {
			out = append(out, x)
		}
	}
	return out
}

// maxTail is how much of what a command prints goes into an error, in bytes.
const maxTail = 500

// tail passes on what is written and remembers the end of it.
type tail struct {
	to    io.Writer // may be nil
	mu    sync.Mutex
	end   []byte
	line  []byte // the beginning of the line under way
	panic []byte // the last line that a Go program begins to end with
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	t.end = t.end[max(0, len(t.end)-maxTail):]
	for line := range bytes.Lines(b) {
		t.line = append(t.line, line[:min(len(line), maxTail-len(t.line))]...)
		if bytes.HasSuffix(line, []byte("\n")) {
			if bytes.HasPrefix(t.line, []byte("panic: ")) || bytes.HasPrefix(t.line, []byte("fatal error: ")) {
				t.panic = bytes.Clone(bytes.TrimSpace(t.line))
			}
			t.line = t.line[:0]
		}
	}
	if t.to == nil {
		return len(b), nil
	}
	return t.to.Write(b)
}

// String returns the last line for the end of an error, and perhaps nothing; of the stack
// of a Go program that ended with a panic, what the panic said.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := bytes.TrimRight(t.end, " \t\r\n")
	if i := bytes.LastIndexByte(end, '\n'); i >= 0 {
		end = end[i+1:]
	}
	if bytes.HasPrefix(end, []byte("\t")) && len(t.panic) > 0 {
		end = t.panic
	}
	end = bytes.TrimSpace(end)
	if len(end) == 0 {
		return ""
	}
	return ": " + strings.ToValidUTF8(string(end), "")
}
