# make test        sets up what the tests need, then runs all of them (as root: real cores, captures, audit)
# make lab         builds the lab's daemons
# make accuracy    ten fresh runs of each lab case are looked at, and three of another compiler's; then make calibrate
# make calibrate   the weights are fitted to what was seen, and judged; writes docs/accuracy.md
# make oracle      gdb and inquest asked for the same stacks, frame by frame; writes docs/backtraces.md
# make bench       benchmarks
# make fuzz        every fuzz target for FUZZTIME each

export CGO_ENABLED = 0
RUNS     ?= /tmp/inquest-accuracy
ORACLE   ?= /tmp/inquest-oracle
FUZZTIME ?= 10m

.PHONY: test setup lab accuracy calibrate oracle bench fuzz lint

test: setup lint lab
	go test ./...

# Debian packages that the tests use as peers and oracles, and that the lab is built with.
setup:
	sh ./lab/setup

lint:
	test -z "$$(gofmt -l cmd internal lab)"
	go vet ./...
	GOOS=darwin go vet ./cmd/... ./internal/...
	GOARCH=arm64 go build -o /dev/null ./cmd/inquest
	go tool staticcheck ./...

lab:
	$(MAKE) -C lab
	$(MAKE) -C lab RENAME=1
	$(MAKE) -C lab CLANG=1

accuracy: setup lab
	rm -rf $(RUNS)
	go run ./lab/run -o $(RUNS)/gcc -seed $$(date +%s) -runs 10
	go run ./lab/run -o $(RUNS)/clang -build lab/build-clang -seed $$(date +%s) -runs 3
	go run ./lab/accuracy -runs $(RUNS)/gcc,$(RUNS)/clang -seen lab/accuracy/seen.jsonl.gz
	$(MAKE) calibrate

calibrate:
	go run ./lab/accuracy -seen lab/accuracy/seen.jsonl.gz -weights internal/reasoning/weigh/weights.json -page docs/accuracy.md

oracle: lab
	sh ./lab/setup lab/oracle/packages.txt
	test -d $(ORACLE)/runs || go run ./lab/run -o $(ORACLE)/runs -seed $$(date +%s) -runs 1
	go run ./lab/oracle -o $(ORACLE)/items -runs $(ORACLE)/runs -table docs/backtraces.md

bench:
	go test -run '^$$' -bench . ./...

fuzz:
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep ^Fuzz); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x -parallel 2 $$package || exit 1; \
		done; \
	done
