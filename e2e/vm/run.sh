#!/usr/bin/env bash
# Boots Debian's kernel under QEMU without KVM (a host may have a /dev/kvm that hangs) on a machine that has nothing but
# cgroup v2, and runs in it, with the binaries of target/dist/bin, checks.sh and the conformance suite. Fails unless
# every check and every case held. The suite's verdicts are left in target/testdata/conformance-v2.json.
#
#   run.sh [FOLDER-OF-BINARIES]
#
# VM_PEERS=only runs the suite on the host's crun and runc instead of ours; what they fail is no failure, and their verdicts
# go to conformance-v2-peers.json. VM_ONLY=suite leaves checks.sh out, VM_ONLY=checks the suite. VM_FILTER is a part of the names of the cases to run. VM_CHECKS names the checks
# to run instead of the usual ones, `checkpoints` all that are about checkpoints.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
binaries=${1:-$checkout/target/dist/bin}
suite=$checkout/target/dist/test/gantry-conformance
kernel=$checkout/target/testdata/vm-kernel
foreign=$checkout/target/testdata/foreign
deadline_s=${VM_DEADLINE_S:-900}

. "$here/machine.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash "$here/fetch-kernel.sh" "$kernel"
bash "$here/fetch-foreign.sh" "$foreign"

# The root of the machine: busybox, our binaries, and an image.
tree=$work/tree
mkdir -p "$tree"/{bin,images,modules,dev}
cp /bin/busybox "$tree/bin/"
ln -s busybox "$tree/bin/sh"
for name in gantry gantryd gantry-shim gantry-runc gantry-init; do add "$binaries/$name" bin; done
# The suite wants more of unshare and mount than busybox has.
add "$suite" suite
add "$checkout/target/dist/test/shim-tests" suite
for name in unshare mount; do add "$(command -v "$name")" suite; done
runtimes=/bin/gantry-runc
results=$checkout/target/testdata/conformance-v2.json
if [ "${VM_PEERS:-}" = only ]; then
    results=$checkout/target/testdata/conformance-v2-peers.json
    runtimes=
    for name in crun runc; do
        path=$(PATH=$PATH:/usr/sbin command -v "$name") || continue
        add "$path" peers
        runtimes="$runtimes /peers/$name"
    done
fi
# CRIU, and the programs that it runs.
for name in criu ip tar gzip {ip,ip6}tables{,-legacy}-{save,restore}; do
    add "$(PATH=$PATH:/usr/sbin:/sbin command -v "$name")" usr/sbin
done
# What loads profiles of AppArmor, and what makes file systems whose projects have a size.
add "$kernel/apparmor_parser" sbin
for name in mkfs.ext4 chattr; do add "$(PATH=$PATH:/usr/sbin:/sbin command -v "$name")" usr/sbin; done
# A program for another processor, and what executes it.
install -D -m 755 "$foreign/busybox" "$tree/foreign/busybox"
install -D -m 755 "$foreign/qemu-aarch64-static" "$tree/usr/sbin/qemu-aarch64-static"
extensions=$(dirname "$(dpkg -L iptables | grep '/xtables/.*[.]so$' | head -n 1)")
mkdir -p "$tree$extensions"
cp "$extensions"/*.so "$tree$extensions/"
printf 'only=%q filter=%q runtimes=%q chosen=%q tested_shim=%q\n' "${VM_ONLY:-}" "${VM_FILTER:-}" "$runtimes" \
    "${VM_CHECKS:-}" "$(cat "$checkout/target/dist/test/shim-tests.program")" >"$tree/choices"
cp "$kernel"/modules/* "$tree/modules/"
cp "$here"/{words.sh,checks.sh,checkpoint.sh,suite.sh,init,apparmor.base64} "$tree/"
chmod 755 "$tree"/{checks.sh,suite.sh,init}
make_image "$tree/images/busybox.tar"

console=${VM_CONSOLE:-$checkout/target/testdata/vm-console.log}
ended=0
boot 1536 'ok|FAIL|done|suite' || ended=$?
if [ "${VM_ONLY:-}" != checks ]; then sed -n 's/^json //p' "$console" | tr -d '\n' >"$results"; fi

[ "$ended" -eq 0 ] || exit "$ended"
[ "${VM_PEERS:-}" != only ] || exit 0
case "${VM_ONLY:-}" in suite | checks) parts=1 ;; *) parts=2 ;; esac
failures=0
# Each part ends with one line: `done N FAILED`.
while read -r _done count failed; do
    echo "$((count - failed)) passed, $failed failed"
    failures=$((failures + failed + (count == 0)))
    parts=$((parts - 1))
done < <(grep -E '^done [0-9]+ [0-9]+$' "$console")
[ "$failures" -eq 0 ] && [ "$parts" -eq 0 ]
