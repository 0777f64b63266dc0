# What the run.sh of every machine does alike. It is sourced there, and finds `kernel` (fetch-kernel.sh's folder), `work` (a folder for the
# time of the run), `tree` (the root of the machine), `console` and `deadline_s`.
# shellcheck shell=bash disable=SC2154

# add PROGRAM FOLDER: puts a program of the host into a folder of the machine, with the libraries that it wants.
add() {
    # Many names may be links to one program.
    install -D -m 755 "$(readlink -f "$1")" "$tree/$2/$(basename "$1")"
    # A static one has none, and ldd fails on it.
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true); do
        install -D -m 755 "$library" "$tree$library"
    done
}

# make_image FILE: an archive of busybox, of which the daemon makes an image.
make_image() {
    mkdir -p "$work/image"/{bin,etc,tmp,root,proc,sys,dev}
    /bin/busybox --list | while read -r applet; do ln -s busybox "$work/image/bin/$applet"; done
    cp --remove-destination /bin/busybox "$work/image/bin/busybox"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$work/image/etc/passwd"
    tar -C "$work/image" -cf "$1" .
}

# boot MEMORY_MB WORDS OPTION...: runs the machine with these options of the kernel, and prints what begins with one of the WORDS
# (`ok|FAIL`). Fails unless it comes to its end.
boot() {
    local memory=$1 words=$2
    shift 2
    (cd "$tree" && find . | cpio --quiet -o -H newc >"$work/initramfs")
    echo "kernel $(cat "$kernel/version"), at most $deadline_s s; the console is in ${console#"$checkout"/}"
    timeout "$deadline_s" qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m "$memory" \
        -nodefaults -nographic -serial stdio -no-reboot \
        -kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
        -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all $*" </dev/null 2>"$work/qemu" |
        stdbuf -oL tr -d '\r' | tee "$console" | grep --line-buffered -E "^($words|    )" || true
    if ! grep -qx 'the end' "$console"; then
        { tail -n 20 "$console" "$work/qemu"; echo "the machine did not come to its end within $deadline_s s"; } >&2
        return 1
    fi
}
