package logic

import (
	"strings"
	"testing"
)

// TestTail says how a command ended: by its last line, or, of the stack of a Go program,
// by what it panicked with, however long that is.
func TestTail(t *testing.T) {
	stack := "\ngoroutine 1 [running]:\nmain.main()\n" + strings.Repeat("\t/home/someone/far/away/main.go:14 +0x1a\n", 40)
	for text, want := range map[string]string{
		"":                              "",
		"\n \n":                         "",
		"one\ntwo":                      ": two",
		"one\n two \n\n":                ": two",
		"panic: boom\n" + stack:         ": panic: boom",
		"x\nfatal error: all\n" + stack: ": fatal error: all",
		"panic: boom\nrecovered\n":      ": recovered",
		"no panic: boom\n\tbut this":    ": but this",
		"panic: a\npanic: b\n" + stack:  ": panic: b",
	} {
		for _, step := range []int{1, 7, len(text) + 1} {
			var end tail
			for rest := text; rest != ""; {
				n := min(step, len(rest))
				if _, err := end.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if got := end.String(); got != want {
				t.Errorf("%.20q in pieces of %d ends%q, want %q", text, step, got, want)
			}
		}
	}
}
