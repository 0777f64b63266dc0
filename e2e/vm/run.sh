#!/usr/bin/env bash
# Boots Debian's kernel under QEMU without KVM (a host may have a /dev/kvm that hangs) on a machine that has nothing but
# cgroup v2, runs checks.sh in it with the binaries of target/dist/bin, and fails unless every check held.
#
#   run.sh [FOLDER-OF-BINARIES]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
binaries=${1:-$checkout/target/dist/bin}
kernel=$checkout/target/testdata/vm-kernel
deadline_s=${VM_DEADLINE_S:-900}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -s "$kernel/vmlinuz" ] || bash "$here/fetch-kernel.sh" "$kernel"

# The root of the machine: busybox, our binaries with the libraries that they want, and an image.
tree=$work/tree
mkdir -p "$tree"/{bin,images,modules,dev}
cp /bin/busybox "$tree/bin/"
ln -s busybox "$tree/bin/sh"
for name in gantry gantryd gantry-shim gantry-runc gantry-init; do
    install -m 755 "$binaries/$name" "$tree/bin/"
    # The static ones have none, and ldd fails on them.
    for library in $(ldd "$binaries/$name" 2>/dev/null | grep -o '/[^ ]*' || true); do
        install -D -m 755 "$library" "$tree$library"
    done
done
cp "$kernel"/modules/* "$tree/modules/"
cp "$here/checks.sh" "$here/init" "$tree/"
chmod 755 "$tree/init" "$tree/checks.sh"
mkdir -p "$work/image"/{bin,etc,tmp,root,proc,sys,dev}
/bin/busybox --list | while read -r applet; do ln -s busybox "$work/image/bin/$applet"; done
cp --remove-destination /bin/busybox "$work/image/bin/busybox"
echo 'root:x:0:0:root:/root:/bin/sh' >"$work/image/etc/passwd"
tar -C "$work/image" -cf "$tree/images/busybox.tar" .
(cd "$tree" && find . | cpio --quiet -o -H newc >"$work/initramfs")

console=$checkout/target/testdata/vm-console.log
echo "kernel $(cat "$kernel/version"), at most $deadline_s s; the console is in ${console#"$checkout"/}"
timeout "$deadline_s" qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m 1536 \
    -nodefaults -nographic -serial stdio -no-reboot \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
    -append 'console=ttyS0 quiet panic=-1 cgroup_no_v1=all' </dev/null 2>"$work/qemu" | tr -d '\r' | tee "$console" |
    grep --line-buffered -E '^(ok|FAIL|done|    )' || true

if ! last=$(grep -E '^done [0-9]+ [0-9]+$' "$console"); then
    { tail -n 20 "$console" "$work/qemu"; echo "the machine did not come to its end within $deadline_s s"; } >&2
    exit 1
fi
read -r _done count failed <<<"$last"
echo "$((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -gt 0 ]
