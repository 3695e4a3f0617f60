#!/bin/sh
# One node from power-on: the lab's image below a disk of its own, then the systemd in it.
# What the node writes lies on its disk and outlives a reboot; all else goes with its first process.
# Usage: boot.sh FOLDER IMAGE; FOLDER holds disk (ext4), seed (for NoCloud) and console
set -eu
. "$(dirname "$0")/systemd.sh"
node=$1 image=$2

mount --make-rprivate /
mkdir -p "$node/base" "$node/own" "$node/root"
mount -o loop,ro,noload "$image" "$node/base"
mount -o loop "$node/disk" "$node/own"
mkdir -p "$node/own/upper" "$node/own/work"
mount -t overlay overlay \
    -o "lowerdir=$node/base,upperdir=$node/own/upper,workdir=$node/own/work" "$node/root"
cd "$node/root"
mkdir -p var/lib/cloud/seed/nocloud
cp "$node"/seed/* var/lib/cloud/seed/nocloud/
# Nobody advertises routes of IPv6 here, and networkd would wait 12 s for one.
quick=etc/systemd/network/10-cloud-init-eth0.network.d
mkdir -p $quick
printf '[Network]\nIPv6AcceptRA=no\n' >$quick/lab.conf

# The console is a file: nobody signs in there, and who waits for that gives up after some tries.
ln -sf /dev/null etc/systemd/system/console-getty.service

mount -t proc proc proc
# The kernel's settings are everybody's; those of the network are the node's own.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
own_control_groups
own_devices "$node/console"
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
pivot_root . .
umount -l .
become_systemd
