package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// files returns the files of the repository with this ending, relative to this
// folder. Hidden folders and what was built are left out.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() && path != ".." && (name[0] == '.' || name == "target" || name == "bin") {
			return fs.SkipDir
		}
		if !e.IsDir() && strings.HasSuffix(path, ending) {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	fence  = regexp.MustCompile("(?ms)^```.*?^```$")
	code   = regexp.MustCompile("`[^`\n]*`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	target = regexp.MustCompile(`(?m)^\[[^\]]+\]: (\S+)`)
	title  = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// anchors returns the anchors of a document's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range title.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				b.WriteRune(r)
			}
		}
		out[b.String()] = true
	}
	return out
}

// TestLinks follows the relative links of all documents, with their anchors.
func TestLinks(t *testing.T) {
	n := 0
	for _, path := range files(t, ".md") {
		text := code.ReplaceAllString(fence.ReplaceAllString(page(t, path), ""), "")
		for _, m := range append(link.FindAllStringSubmatch(text, -1), target.FindAllStringSubmatch(text, -1)...) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			n++
			to, anchor, _ := strings.Cut(m[1], "#")
			file := filepath.Join(filepath.Dir(path), to)
			if to == "" {
				file = path
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, m[1])
				continue
			}
			if anchor != "" && !anchors(page(t, file))[anchor] {
				t.Errorf("%s: %s has no heading %q", path, file, anchor)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}

// TestNames looks up what the documents of this folder name in code spans or
// tables: tests, and paths of the repository.
func TestNames(t *testing.T) {
	tests := map[string]bool{}
	for _, path := range files(t, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)`).FindAllStringSubmatch(page(t, path), -1) {
			tests[m[1]] = true
		}
	}
	name := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	repoPath := regexp.MustCompile("`((?:cmd|pkg|producer|sidecar|replay|shadow|internal|testenv|proto|docs)(?:/[\\w.-]+)*)/?`")
	for _, path := range []string{"architecture.md", "testing.md", "format/log.md", "format/manifest.md"} {
		text := page(t, path)
		for _, m := range name.FindAllString(text, -1) {
			if !tests[m] && m != "TestMain" {
				t.Errorf("%s: there is no test %s", path, m)
			}
		}
		for _, m := range repoPath.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s: there is no %s", path, m[1])
			}
		}
	}
}
