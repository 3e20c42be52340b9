package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackageComments wants one comment for each package, which begins by
// saying what the package is.
func TestPackageComments(t *testing.T) {
	comments, names := map[string][]string{}, map[string]string{}
	for _, path := range files(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(f) {
			continue
		}
		dir := filepath.Dir(path)
		names[dir] = f.Name.Name
		if f.Doc != nil {
			comments[dir] = append(comments[dir], f.Doc.Text())
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(names)) {
		all := comments[dir]
		if len(all) != 1 {
			t.Errorf("%s: %d package comments: write one, in doc.go if the package has several files", dir, len(all))
			continue
		}
		begin := "Package " + names[dir] + " "
		if names[dir] == "main" {
			begin = "Command "
			if strings.HasPrefix(all[0], strings.ToUpper(filepath.Base(dir)[:1])+filepath.Base(dir)[1:]+" ") {
				continue // "Holdfast …"
			}
		}
		if !strings.HasPrefix(all[0], begin) || len(strings.Fields(all[0])) < 8 {
			t.Errorf("%s: begin the package comment with %q and say what it is: %.60q", dir, begin, all[0])
		}
	}
	if len(names) < 20 {
		t.Errorf("only %d packages were found", len(names))
	}
}

// TestArchitectureNamesPackages wants every package of the repository in the
// architecture's code map.
func TestArchitectureNamesPackages(t *testing.T) {
	text := page(t, "architecture.md")
	seen := map[string]bool{}
	for _, path := range files(t, ".go") {
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		generated := strings.HasSuffix(dir, "pb") || strings.HasPrefix(dir, "proto/") || strings.Contains(dir, "internal/gen")
		if seen[dir] || generated || dir == "docs" || strings.HasPrefix(dir, "bench") {
			continue
		}
		seen[dir] = true
		if !strings.Contains(text, "`"+dir+"`") {
			t.Errorf("architecture.md does not name %s", dir)
		}
	}
}
