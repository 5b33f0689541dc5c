# Verbs only; the build itself is meson.build. Each verb installs what it lacks by `make deps`.
.PHONY: help deps deps-check build run test check check-full bench sim fuzz fmt fmt-check docs docs-check clean
# What is installed comes before what is built with it.
.NOTPARALLEL:

export MESON_FLAGS ?=

help:
	@echo "make run         build and start the service on 127.0.0.1:8080 with its data in ./weir-data"
	@echo "make check       every test that a push must pass (minutes)"
	@echo "make test        units, contract, tidy (a few minutes)"
	@echo "make check-full  the same with thread sanitizer, valgrind and longer runs (hours); STEPS=… some of it"
	@echo "make bench       the measurements, results in bench/results/"
	@echo "make sim         runs of the core on a faulty disk, SEEDS=2000 (200); SEED=12 tells one of them"
	@echo "make fuzz        a minute of libFuzzer for each parser; T=record for one"
	@echo "make fmt         format the code     make docs  write the generated references anew"
	@echo "make deps        install what is needed from the system's packages"

deps:
	@scripts/deps.sh run

deps-check:
	@scripts/deps.sh check

build: deps
	@scripts/build.sh

# Given on the command line or in the environment, be it empty: what is wrong with it is said by the simulator.
is_given = $(filter-out undefined default,$(origin $(1)))
sim_seed = $(if $(call is_given,SEED),--seed '$(SEED)' --trace)
sim_seeds = $(if $(call is_given,SEEDS),--seeds '$(SEEDS)',$(if $(sim_seed),,--seeds 200))
sim_jobs = $(if $(call is_given,JOBS),$(if $(and $(sim_seed),$(filter environment,$(origin JOBS))),,--jobs '$(JOBS)'))

# The program alone, since its tests take longer to build than it does; with its defaults, so that WEIR_… variables count, but for failures
# that clients may ask for, to try it with.
run: deps
	@scripts/build.sh weir
	@exec env WEIR_FAULTS_ALLOW="$${WEIR_FAULTS_ALLOW-true}" build/weir serve

test: deps-check build
	@scripts/check.sh test

check: deps-check
	@scripts/check.sh check $(STEPS)

check-full: deps-check
	@scripts/check.sh full $(STEPS)

bench: build
	@scripts/bench.sh $(BENCH)

sim: deps-check
	@scripts/build.sh tests/sim/weir-sim
	@build/tests/sim/weir-sim $(sim_seed) $(sim_seeds) $(sim_jobs)

fuzz: deps-check
	@scripts/fuzz.sh $(T)

fmt: deps-check
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

fmt-check: deps-check
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run --Werror

docs: build
	@scripts/docs.sh

docs-check: build
	@scripts/docs.sh --check

clean:
	@rm -rf build build-*
