#!/usr/bin/env bash
# Boots Debian's kernel with SELinux in enforcing mode under QEMU, loads policy.cil, and runs gantryd with --selinux-enabled there:
# checks.sh. Fails unless every check held.
#
#   run.sh [FOLDER-OF-BINARIES]
#
# VM_CHECKS names the checks to run instead of all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
binaries=${1:-$checkout/target/dist/bin}
kernel=$checkout/target/testdata/vm-kernel
console=${VM_CONSOLE:-$checkout/target/testdata/vm-selinux-console.log}
deadline_s=${VM_DEADLINE_S:-300}

. "$here/../machine.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash "$here/../fetch-kernel.sh" "$kernel"

tree=$work/tree
mkdir -p "$tree"/{bin,sbin,modules,dev,etc/selinux/small/contexts,usr/bin}
cp /bin/busybox "$tree/bin/"
ln -s busybox "$tree/bin/sh"
for name in gantry gantryd gantry-shim gantry-runc gantry-init; do add "$binaries/$name" bin; done
# Those that busybox has know nothing of labels.
for name in chcon stat; do add "$(command -v "$name")" usr/bin; done
add "$(PATH=$PATH:/usr/sbin:/sbin command -v mkfs.ext4)" usr/sbin
cp "$kernel"/modules/* "$tree/modules/"
cp "$here"/{checks.sh,init} "$here/../words.sh" "$tree/"
chmod 755 "$tree"/{checks.sh,init}
printf 'chosen=%q\n' "${VM_CHECKS:-}" >"$tree/choices"
# Where programs look for the policy's name, and for the contexts of containers.
printf 'SELINUX=enforcing\nSELINUXTYPE=small\n' >"$tree/etc/selinux/config"
cp "$here/lxc_contexts" "$tree/etc/selinux/small/contexts/"
{
    cat "$here/policy.cil"
    categories=$(seq -f 'c%.0f' -s ' ' 0 1023)
    for category in $categories; do echo "(category $category)"; done
    echo "(categoryorder ($categories)) (sensitivitycategory s0 (range c0 c1023))"
} >"$work/policy.cil"
secilc -M true -c 33 -o "$tree/policy" -f /dev/null "$work/policy.cil"

make_image "$tree/busybox.tar"
boot 1536 'ok|FAIL|done' security=selinux selinux=1 enforcing=1
grep -qE '^done [1-9][0-9]* 0$' "$console"
