package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// answer is where commands write what they were asked for. It remembers the
// first error, so that no command has to look at each line, and calls gone
// then: nobody needs the rest.
type answer struct {
	to   io.Writer
	gone func()

	mu  sync.Mutex
	err error
}

// Write writes, unless that failed before.
func (a *answer) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.to.Write(b)
	if err != nil {
		a.err = &unwrittenError{err}
		a.gone()
	}
	return n, a.err
}

// failed returns why the answer is incomplete; nil if it is complete.
func (a *answer) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// unwrittenError is why an answer is incomplete.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return "write the answer: " + e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// doneError says that a command has done what it was asked for, although it
// fails: who does it again has to know that.
type doneError struct {
	done string // a sentence without its full stop
	err  *unwrittenError
}

func (e *doneError) Error() string {
	return fmt.Sprintf("%s; only the answer could not be written: %v", e.done, e.err.err)
}

func (e *doneError) Unwrap() error { return e.err }

// alreadyDone adds what a command has done to an error of writing its answer, nil
// included.
func alreadyDone(err error, format string, args ...any) error {
	var unwritten *unwrittenError
	if !errors.As(err, &unwritten) {
		return err
	}
	return &doneError{fmt.Sprintf(format, args...), unwritten}
}

// surviveBrokenPipe makes writing to a pipe that nobody reads fail, instead of
// ending the program, which has to clean up first. What it starts is not
// affected, as it would be by ignoring the signal.
func surviveBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// quietly says whether an error needs no words: who closes the pipe, as head
// does, has seen enough.
func quietly(err error) bool { return errors.Is(err, syscall.EPIPE) }
