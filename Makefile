# Holdfast's tasks. `make test` needs Go only; the others say what they need.
GO       ?= go
FUZZTIME ?= 10s
TOOLS    := .tools

.DEFAULT_GOAL := help
.PHONY: help build demo test test-race test-java lint generate fuzz bench clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/holdfast
	$(GO) build -o bin/holdfast ./cmd/holdfast

demo: ## run the demo
	$(GO) run ./cmd/holdfast demo

test: ## all tests that need only Go
	$(GO) test ./...

test-race: ## all tests with the race detector; needs a C compiler
	@command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || \
		{ echo "make test-race: the race detector needs a C compiler; install gcc" >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -race ./...

test-java: ## tests against the real Hollow library; needs Java 17 and Maven
	@command -v javac >/dev/null || { echo "make test-java: javac is missing; install a JDK, version 17 or later" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "make test-java: mvn is missing; install Maven 3" >&2; exit 1; }
	$(GO) test -count=1 -tags java ./testenv/java/...

lint: $(TOOLS)/golangci-lint $(TOOLS)/buf ## gofmt, go vet, the linter and buf lint
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	$(GO) vet -tags java ./testenv/java/...
	$(TOOLS)/golangci-lint run
	$(TOOLS)/buf lint proto

$(TOOLS)/golangci-lint: tools/go.mod tools/go.sum
	$(GO) build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TOOLS)/buf: tools/go.mod tools/go.sum
	$(GO) build -modfile=tools/go.mod -o $@ github.com/bufbuild/buf/cmd/buf

generate: ## write generated code anew
	$(GO) generate ./...

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

bench: ## run the benchmarks of the engine
	$(GO) test -run '^$$' -bench . -benchmem ./pkg/state/...

clean: ## remove what was built
	rm -rf bin $(TOOLS) bench/out testenv/java/target
