#!/bin/bash
# Builds the machine that labs boot: Debian 12 with systemd, cloud-init, an SSH server and a JRE.
#
#     build.sh FOLDER
#
# makes in FOLDER
#     machine.qcow2   a disk with a boot loader in its MBR, for QEMU
#     container.qcow2 an ext4 file system whose /sbin/init suits LXC, for a loop mount of its content
# Root and a few minutes at most; nothing but these two files is left.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
work=$(mktemp -d "$out/build.XXXXXX")
root=$work/root
mounted=$work/mounted

clean() {
    if mountpoint -q "$mounted"; then umount "$mounted"; fi
    rm -rf "$work"
}
trap clean EXIT

packages=(
    systemd-sysv systemd-resolved systemd-timesyncd dbus udev kmod iproute2 iputils-ping procps sudo
    cloud-init cloud-guest-utils openssh-server
    ca-certificates curl openssl python3 openjdk-17-jre-headless libfaketime
    linux-image-cloud-amd64 initramfs-tools zstd
)
unwanted=(doc man info locale i18n bash-completion)
# Work that a machine which lives for minutes never needs.
idle=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer)

excludes=()
for part in "${unwanted[@]}"; do excludes+=("--dpkgopt=path-exclude=/usr/share/$part/*"); done

# The mirror is mmdebstrap's own default, with updates and security.
mmdebstrap --quiet --mode=root --variant=minbase --arch=amd64 \
    --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='Apt::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt=force-unsafe-io \
    "${excludes[@]}" \
    --setup-hook='copy() { mkdir -p "$1" && cp -rT "'"$here"'/early" "$1"; }; copy "$1"' \
    --setup-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook='cp -rT "'"$here"'/files" "$1"' \
    --customize-hook='chroot "$1" systemctl --quiet enable systemd-networkd' \
    --customize-hook='chroot "$1" systemctl --quiet mask '"${idle[*]}" \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
    --customize-hook='ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"' \
    --customize-hook='echo debian >"$1/etc/hostname"' \
    --customize-hook='printf "127.0.0.1 localhost\n::1 localhost\n" >"$1/etc/hosts"' \
    --customize-hook=': >"$1/etc/fstab"; : >"$1/etc/machine-id"' \
    bookworm "$root"

# Holds the system, an agent and software that is unpacked; sparse, so that its size costs nothing.
size=2G

# --- a disk for QEMU: one partition, extlinux in it, its loader in the MBR ---
ln -s "$(cd "$root" && echo boot/vmlinuz-*)" "$root/vmlinuz" 2>/dev/null || true
ln -s "$(cd "$root" && echo boot/initrd.img-*)" "$root/initrd.img" 2>/dev/null || true
mkdir -p "$root/boot/extlinux" "$mounted"
cp "$here/extlinux.conf" "$root/boot/extlinux/"
truncate -s "$size" "$work/disk"
echo 'start=2048, type=83, bootable' | sfdisk --quiet "$work/disk"
mke2fs -q -t ext4 -m 0 -L root -O '^64bit,^metadata_csum' -E offset=1048576 -d "$root" "$work/disk" \
    "$(($(stat -c %s "$work/disk") / 1024 - 1024))K"
mount -o loop,offset=1048576 "$work/disk" "$mounted"
extlinux --install "$mounted/boot/extlinux"
umount "$mounted"
dd status=none conv=notrunc bs=440 count=1 of="$work/disk" if=/usr/lib/syslinux/mbr/mbr.bin
qemu-img convert -O qcow2 "$work/disk" "$work/machine.qcow2"
rm "$work/disk"

# --- a file system for LXC: no kernel; init makes room for systemd first ---
rm -rf "$root"/boot/* "$root"/lib/modules/* "$root/vmlinuz" "$root/initrd.img"
rm "$root/sbin/init"
install "$here/container-init" "$root/sbin/init"
install "$here/console-keeper" "$root/usr/local/sbin/"
truncate -s "$size" "$work/container"
mke2fs -q -t ext4 -m 0 -L root -d "$root" "$work/container"
qemu-img convert -O qcow2 "$work/container" "$work/container.qcow2"

mv "$work/machine.qcow2" "$work/container.qcow2" "$out/"
