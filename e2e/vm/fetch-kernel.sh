#!/usr/bin/env bash
# Unpacks Debian's cloud kernel into a folder, without installing it: the kernel as `vmlinuz`, and as `modules/` the
# few modules that the checks need, numbered in the order in which they must be loaded. Does nothing when they are there.
#
#   fetch-kernel.sh FOLDER
set -euo pipefail
folder=${1:?usage: fetch-kernel.sh FOLDER}
wanted=(overlay brd veth)
# Bridge networks; here the kernel cannot fetch what a rule needs by itself.
wanted+=(bridge nft_ct nft_fib_inet nft_chain_nat nft_nat nft_masq)
# Emulators for other processors.
wanted+=(binfmt_misc)
# A data root whose file system keeps projects to a size.
wanted+=(ext4 quota_v2)
# criu takes down what the packet filters and the sockets of a network namespace are, and asks for each kind.
wanted+=(tun nf_tables iptable_filter ip6table_filter nft_compat nf_conntrack nf_conntrack_netlink nf_nat
    unix_diag tcp_diag udp_diag af_packet_diag netlink_diag)

[ "$(cat "$folder/wanted" 2>/dev/null)" = "${wanted[*]}" ] && exit

partial=$(mktemp -d)
trap 'rm -rf "$partial"' EXIT
apt-get update -qq -o DPkg::Lock::Timeout=300
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
(cd "$partial" && apt-get download -qq -o APT::Sandbox::User=root "$package")
dpkg-deb -x "$partial"/linux-image-*.deb "$partial/root"
version=${package#linux-image-}
(cd "$partial" && apt-get download -qq -o APT::Sandbox::User=root apparmor)
dpkg-deb -x "$partial"/apparmor_*.deb "$partial/apparmor"
depmod -b "$partial/root" "$version"

rm -rf "$folder"
mkdir -p "$folder/modules"
# Three digits throughout, so that names sort as numbers.
number=100
for module in "${wanted[@]}"; do
    modprobe -d "$partial/root" -S "$version" --show-depends "$module" | while read -r how file _options; do
        # What this kernel has built in is there already.
        [ "$how" = insmod ] || continue
        cp "$file" "$folder/modules/$number-$(basename "$file")"
        number=$((number + 1))
    done
    number=$((number + 20))
done
echo "$version" >"$folder/version"
find "$partial/apparmor" -name apparmor_parser -type f -exec cp {} "$folder/apparmor_parser" \;
mv "$partial/root/boot/vmlinuz-$version" "$folder/vmlinuz"
echo "${wanted[*]}" >"$folder/wanted"
echo "kernel $version"
