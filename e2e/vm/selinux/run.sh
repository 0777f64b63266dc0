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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash "$here/../fetch-kernel.sh" "$kernel"

tree=$work/tree
mkdir -p "$tree"/{bin,sbin,modules,dev,etc/selinux/small/contexts,usr/bin}
# add PROGRAM FOLDER: puts a program of the host into a folder of the machine, with the libraries that it wants.
add() {
    install -D -m 755 "$(readlink -f "$1")" "$tree/$2/$(basename "$1")"
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true); do
        install -D -m 755 "$library" "$tree$library"
    done
}
cp /bin/busybox "$tree/bin/"
ln -s busybox "$tree/bin/sh"
for name in gantry gantryd gantry-shim gantry-runc gantry-init; do add "$binaries/$name" bin; done
# Those that busybox has know nothing of labels.
for name in chcon stat; do add "$(command -v "$name")" usr/bin; done
add "$(PATH=$PATH:/usr/sbin:/sbin command -v mkfs.ext4)" usr/sbin
cp "$kernel"/modules/* "$tree/modules/"
cp "$here"/{checks.sh,init} "$tree/"
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

mkdir -p "$work/image"/{bin,etc,tmp,root,proc,sys,dev}
/bin/busybox --list | while read -r applet; do ln -s busybox "$work/image/bin/$applet"; done
cp --remove-destination /bin/busybox "$work/image/bin/busybox"
echo 'root:x:0:0:root:/root:/bin/sh' >"$work/image/etc/passwd"
tar -C "$work/image" -cf "$tree/busybox.tar" .
(cd "$tree" && find . | cpio --quiet -o -H newc >"$work/initramfs")

echo "kernel $(cat "$kernel/version"), at most $deadline_s s; the console is in ${console#"$checkout"/}"
timeout "$deadline_s" qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m 1536 \
    -nodefaults -nographic -serial stdio -no-reboot \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
    -append 'console=ttyS0 quiet panic=-1 cgroup_no_v1=all security=selinux selinux=1 enforcing=1' \
    </dev/null 2>"$work/qemu" | stdbuf -oL tr -d '\r' | tee "$console" |
    grep --line-buffered -E '^(ok|FAIL|done|    )' || true

if ! grep -qx 'the end' "$console"; then
    { tail -n 20 "$console" "$work/qemu"; echo "the machine did not come to its end within $deadline_s s"; } >&2
    exit 1
fi
grep -qE '^done [1-9][0-9]* 0$' "$console"
