# Holdfast's tasks. `make test` needs Go only; the others say what they need.

GO       ?= go
FUZZTIME ?= 10s
DATA     ?= movie-100000
TOOLS    := .tools
# Packages with tests against the real Hollow library carry the build tag java.
JAVAPKGS  = $$(grep -rl --include='*_test.go' '^//go:build java' . | xargs -n1 dirname | sort -u)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-race test-java test-s3 kill kill-s3 two-producers two-producers-s3 faults protocol lint generate fuzz bench bench-engine bench-freshness clean

help: ## list the tasks
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

build: ## build bin/holdfast
	$(GO) build -trimpath -o bin/holdfast ./cmd/holdfast

demo: ## run the demo
	$(GO) run ./cmd/holdfast demo

test: ## all tests that need only Go
	$(GO) test ./...

test-race: ## all tests with the race detector and invariants; needs a C compiler
	@command -v "$$($(GO) env CC | cut -d' ' -f1)" >/dev/null || \
		{ echo "make test-race: the race detector needs a C compiler; install gcc" >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -race -tags invariants -timeout 20m ./...

test-java: ## tests against the real Hollow library; needs JDK 17 and Maven
	@command -v javac >/dev/null || { echo "make test-java: javac is missing; install a JDK, version 17 or later" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "make test-java: mvn is missing; install Maven 3" >&2; exit 1; }
	$(GO) test -count=1 -tags java $(JAVAPKGS)

test-s3: ## tests on a real S3 server, which is built first
	cd testenv/s3 && $(GO) vet ./... && $(GO) test -count=1 ./...

SEED ?= 1
RUNS ?= 500
kill: ## harm RUNS (500) of the processes that publish into one folder, by SEED (1)
	$(GO) run ./testenv/kill/cmd/kill -seed $(SEED) -runs $(RUNS)

# A server takes longer than a folder.
kill-s3: ## the same on a real S3 server, which is built first; RUNS (100)
	cd testenv/s3 && $(GO) run ./cmd/kill -seed $(SEED) \
		-runs $(if $(filter file,$(origin RUNS)),100,$(RUNS))

FOR ?= 10m
two-producers: ## two producers race for one folder for FOR (10m), unharmed
	$(GO) run ./testenv/kill/cmd/kill -harmless -publishers 2 -for $(FOR)

two-producers-s3: ## the same on a real S3 server, which is built first
	cd testenv/s3 && $(GO) run ./cmd/kill -harmless -publishers 2 -for $(FOR)

WALKS ?= 2000
protocol: ## every schedule of the announcement log with two faults or pauses, and WALKS (2000) random ones with many; minutes
	$(GO) test -count=1 -v -timeout 2h -run 'TestProtocol$$' ./pkg/announce -depth 2 -walks $(WALKS)

STEPS ?= 10000
SIDECAR_STEPS ?= 1000
faults: ## STEPS (10000) of a scenario with faults beneath the store, and SIDECAR_STEPS (1000) with whole sidecars, by SEED (1)
	$(GO) test -count=1 -v -run 'TestFaults|TestSidecars' ./testenv/faults -seed $(SEED) -scenarios 1 -steps $(STEPS) \
		-sidecar-steps $(SIDECAR_STEPS)

lint: $(TOOLS)/golangci-lint $(TOOLS)/buf ## gofmt, go vet (arm64 too), golangci-lint and buf lint
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "make lint: gofmt -w" $$unformatted >&2; exit 1; }
	$(GO) vet -tags java,invariants ./...
	GOARCH=arm64 $(GO) vet ./...
	$(TOOLS)/golangci-lint run --allow-serial-runners
	$(TOOLS)/buf lint proto

generate: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## write generated code anew
	$(GO) generate ./...

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz\w+' $$pkg/*_test.go | cut -c6-); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$pkg; \
		done; \
	done

bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-engine: ## measure the engine beside Hollow on DATA (movie-100000), RUNS times (3); needs JDK 17 and Maven
	@mkdir -p bench/out
	$(GO) build -o bench/out/engine ./bench/engine
	bench/out/engine -data '$(DATA)' -seed '$(SEED)' -cities '$(CITIES)' \
		-runs '$(if $(filter file,$(origin RUNS)),3,$(RUNS))' $(if $(ONLY),-only '$(ONLY)') $(if $(CYCLES),-cycles '$(CYCLES)') # another target's default for RUNS is not ours

bench-freshness: build ## measure whole processes on a folder store: news, restored stores, a soak; a quarter of an hour or more
	@mkdir -p bench/out
	$(GO) build -o bench/out/freshness ./bench/freshness
	bench/out/freshness -seed '$(SEED)' $(if $(ONLY),-only '$(ONLY)')

clean: ## remove what was built
	rm -rf bin bench/out $(TOOLS) testenv/java/target

# The tools are pinned in modules of their own, so that nobody who imports
# Holdfast inherits what they depend on.
TOOLMOD = -modfile=tools/go.mod
$(TOOLS)/protoc-gen-%: TOOLMOD = -modfile=tools/protoc/go.mod

$(TOOLS)/golangci-lint: PKG = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/buf: PKG = github.com/bufbuild/buf/cmd/buf
$(TOOLS)/protoc-gen-go: PKG = google.golang.org/protobuf/cmd/protoc-gen-go
$(TOOLS)/protoc-gen-go-grpc: PKG = google.golang.org/grpc/cmd/protoc-gen-go-grpc

$(TOOLS)/golangci-lint $(TOOLS)/buf: tools/go.mod tools/go.sum
$(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc: tools/protoc/go.mod tools/protoc/go.sum
$(TOOLS)/%:
	$(GO) build $(TOOLMOD) -o $@ $(PKG)
