# make run      build, start a gateway with real MCP servers and show how to use it
# make test     every test, unit to end to end
# make build    release build: .build/release/mcp-gateway
# make bench    what a call costs, against the least possible and nginx
# make soak     an hour of mixed load: memory, descriptors and processes must be flat
# make soak-kill  500 sudden deaths of the gateway at random moments: nothing may be left after the next start
#                 (CYCLES=n, SEED=n)
# make fuzz     ten minutes of guided fuzzing of every parser
# make lint     check the format;  make format  mend it
# make clean    remove everything that was built
.PHONY: run test build bench soak soak-kill fuzz lint format clean
.DEFAULT_GOAL := build

# The Swift runtime is linked in: the program runs on machines without a toolchain. The manifest is read anew so
# that `mcp-gateway version` names this commit.
build:
	@.ci/packages build
	@.ci/swift build -c release --product mcp-gateway --static-swift-stdlib --manifest-cache none

run:
	@.ci/packages build run
	@$(MAKE) --no-print-directory build
	@exec .ci/demo

test:
	@.ci/packages build run test
	@exec .ci/test

bench:
	@.ci/packages build run bench
	@$(MAKE) --no-print-directory build
	@Benchmarks/run

soak:
	@.ci/packages build run bench
	@$(MAKE) --no-print-directory build
	@Benchmarks/soak

fuzz:
	@.ci/packages build
	@.ci/fuzz

soak-kill:
	@.ci/packages build run test
	@$(MAKE) --no-print-directory build
	@exec Tests/EndToEnd/run --soak-kill --cycles $(or $(CYCLES),500) $(if $(SEED),--seed $(SEED))

lint:
	@.ci/swift format lint --strict --parallel -r Sources Tests Package.swift

format:
	@.ci/swift format --in-place --parallel -r Sources Tests Package.swift

clean:
	rm -rf .build .build-*
