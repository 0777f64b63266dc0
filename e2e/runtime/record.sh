#!/usr/bin/env bash
# Runs the conformance suite on our runtime and on the peers that are installed, here and in the virtual machine with
# cgroup v2 alone, and writes RESULTS.md beside this file. What a runtime fails is recorded; ours must not fail.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=target/dist/test/gantry-conformance
here=target/testdata/conformance-here.json
there=target/testdata/conformance-v2.json
peers=target/testdata/conformance-v2-peers.json

mkdir -p target/testdata
words=(--runtime target/dist/bin/gantry-runc)
for name in crun runc; do
    path=$(PATH=$PATH:/usr/sbin command -v "$name") && words+=(--runtime "$path")
done
"$suite" run "${words[@]}" --json "$here" || true
# An emulated machine is slow: five minutes for each runtime on two idle processors. The peers' verdicts depend on the suite
# and their packages alone.
VM_ONLY=suite VM_DEADLINE_S=${VM_DEADLINE_S:-3600} bash e2e/vm/run.sh || true
if [ ! -s "$peers" ] || [ "$suite" -nt "$peers" ]; then
    VM_ONLY=suite VM_PEERS=only VM_DEADLINE_S=${VM_DEADLINE_S:-3600} bash e2e/vm/run.sh || true
fi
files=("$here" "$there")
# Nothing of theirs when their machine did not come to its end.
[ -s "$peers" ] && files+=("$peers")
"$suite" report "${files[@]}" --record e2e/runtime/RESULTS.md
failed=$("$suite" report "${files[@]}" | grep -c '^| gantry-runc v[12] .* | 0 | 0 | [0-9]* |$' || true)
[ "$failed" -eq 2 ] || { echo "gantry-runc does not keep it all: see e2e/runtime/RESULTS.md" >&2; exit 1; }
