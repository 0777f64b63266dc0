#!/usr/bin/env bash
# Compares the machine before and after the tests: mounts, cgroups, processes, files, bridges and tables of the packet
# filter that bear our name. `before` notes what is there; `after` fails when there is more.
set -euo pipefail
cd "$(dirname "$0")/.."
note=target/leftovers.before

now() {
    awk '/gantry/ { print "mount " $5 }' /proc/self/mountinfo
    find /sys/fs/cgroup -mindepth 1 -maxdepth 3 -type d -name '*gantry*' -printf 'cgroup %p\n' 2>/dev/null
    for entry in /proc/[0-9]*; do
        case "$(readlink "$entry/exe")" in
            */gantry | */gantryd | */gantry-shim | */gantry-runc | */gantry-init) echo "process ${entry#/proc/} $(tr '\0' ' ' <"$entry/cmdline")" ;;
        esac
    done 2>/dev/null
    # The lock that all daemons of a machine share stays, as it must: whoever removed it could cut another one's hold.
    find /tmp /run -maxdepth 1 -name '*gantry*' ! -name gantry-networks.lock -printf 'file %p\n' 2>/dev/null
    ip -o link show type bridge 2>/dev/null | awk -F': ' '/gantry/ { print "bridge " $2 }'
    nft list tables 2>/dev/null | sed -n '/gantry/ s/^/nftables /p'
    true
}

case "${1:-}" in
    before)
        mkdir -p target
        now | sort -u >"$note"
        ;;
    after)
        # The last test's cleaner may need a moment.
        for attempt in $(seq 50); do
            left=$(comm -13 "$note" <(now | sort -u))
            [ -z "$left" ] && exit 0
            sleep 0.2
        done
        printf 'the tests left behind:\n%s\n' "$left" >&2
        exit 1
        ;;
    *)
        echo 'usage: leftovers.sh before|after' >&2
        exit 2
        ;;
esac
