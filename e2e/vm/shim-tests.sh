#!/usr/bin/env bash
# Puts the shim's integration tests into a folder, as one stripped program for the virtual machine, and beside it the path
# at which they look for the shim.
#
#   shim-tests.sh FOLDER
set -euo pipefail
folder=${1:?usage: shim-tests.sh FOLDER}
tests=$(cargo test --quiet -p gantry-shim --test it --no-run --message-format json |
    python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("reason") == "compiler-artifact" and "test" in message["target"]["kind"]:
        print(message["executable"])')
mkdir -p "$folder"
strip -o "$folder/shim-tests" "$tests"
echo "$(dirname "$(dirname "$tests")")/gantry-shim" >"$folder/shim-tests.program"
