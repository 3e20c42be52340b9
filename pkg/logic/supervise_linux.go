package logic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// statusFile is the file descriptor on which Supervise says how the command
// ended, as exited or as words.
const statusFile = 3

// killTime bounds how long Supervise looks for processes to kill.
const killTime = 5 * time.Second

// startSupervised starts the command under the supervisor.
func (c *Command) startSupervised(ctx context.Context, env []string, said io.Writer) (wait func() error, err error) {
	status, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := prepare(ctx, slices.Concat(c.Supervisor, c.Args), env, said)
	cmd.ExtraFiles = []*os.File{theirs}         // statusFile
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM // so that it ends the others first
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * killTime
	if err := cmd.Start(); err != nil {
		_ = status.Close() // nothing was read
		return nil, err
	}
	return func() error {
		defer status.Close()
		failed := cmd.Wait()
		text, err := io.ReadAll(status)
		if failed != nil || err != nil || len(text) == 0 {
			return fmt.Errorf("its supervisor ended: %w", errors.Join(failed, err))
		}
		return ended(string(text))
	}, nil
}

// ended returns how the command ended, as Supervise says it.
func ended(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return errors.New(text)
	}
	status := syscall.WaitStatus(n)
	switch {
	case status.Signaled():
		return fmt.Errorf("signal: %s", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// Supervise runs the command that args are to its end, then kills every process
// that is left of those that it started, wherever they have gone: whatever loses
// its parent becomes a child of this process. SIGTERM, and the end of the one
// who started it, end the command too. Supervise returns the exit code for its
// process, which must do nothing else; see Command.Supervisor.
func Supervise(args []string) int {
	runtime.LockOSThread() // the command is killed when this thread ends
	out := os.NewFile(statusFile, "status")
	syscall.CloseOnExec(statusFile)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	status, err := supervise(args, stop)
	text := strconv.Itoa(int(status))
	if err != nil {
		text = err.Error()
	}
	if _, err := out.WriteString(text); err != nil {
		return 2
	}
	return 0
}

func supervise(args []string, stop <-chan os.Signal) (syscall.WaitStatus, error) {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return 0, fmt.Errorf("adopt orphans: %w", errno)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return 0, err
	}
	command, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: ownGroup(),
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		<-stop
		killDescendants()
	}()
	for { // reaps the orphans, too
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for %s: %w", path, err)
		case pid == command:
			return status, endAll()
		}
	}
}

// endAll kills and reaps until nobody is left.
func endAll() error {
	for deadline := time.Now().Add(killTime); ; {
		left := killDescendants()
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case pid > 0 || errors.Is(err, syscall.EINTR):
		case time.Now().After(deadline):
			return fmt.Errorf("it leaves processes behind that cannot be killed: %v", left)
		default:
			time.Sleep(time.Millisecond) // they are dying
		}
	}
}

// killDescendants kills all processes below this one, and returns them.
func killDescendants() []int {
	parents := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			parents[pid] = parentOf(pid)
		}
	}
	var out []int
	for pid := range parents {
		above := parents[pid]
		for steps := 0; above > 1 && above != os.Getpid() && steps < len(parents); steps++ {
			above = parents[above]
		}
		if above == os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			out = append(out, pid)
		}
	}
	return out
}

// parentOf returns the parent of a process, 0 if it is gone.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name, which may hold anything) state parent …
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}
