#!/bin/sh
# One lab machine from power-on: a root of its own over this machine's, users, sshd.
# What the machine writes lies in its folder and outlives a reboot; what is of this side is hidden.
# Usage: machine.sh FOLDER NAME plain|systemd HIDDEN...
set -eu
. "$(dirname "$0")/../systemd.sh"
home=$1 name=$2 init=$3
shift 3

mount --make-rprivate /
mkdir -p "$home/upper" "$home/work" "$home/root" "$home/own/root" "$home/own/home"
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$home/upper,workdir=$home/work" "$home/root"
cd "$home/root"
mount -t proc proc proc
if [ "$init" = systemd ]; then
    mount -t sysfs sysfs sys
    own_control_groups
    : >"$home/console"
    own_devices "$home/console"
else
    mount --rbind /sys sys
    mount --rbind /dev dev
fi
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount --bind "$home/own/root" root
mount --bind "$home/own/home" home
for hidden; do
    if [ -d ".$hidden" ]; then mount -t tmpfs -o mode=755 hidden ".$hidden"; fi
done
if [ -d "$home/small" ]; then mount --bind "$home/small" var/lib; fi
if [ ! -f etc/ssh/lab ]; then
    no_services
    mkdir etc/systemd/system/multi-user.target.wants
    mv etc/ssh/lab-sshd.service etc/systemd/system/
    ln -s ../lab-sshd.service etc/systemd/system/multi-user.target.wants/
fi
pivot_root . .
umount -l .

echo "$name" >/proc/sys/kernel/hostname
printf '127.0.0.1 localhost %s\n' "$name" >/etc/hosts
if [ ! -f /etc/ssh/lab ]; then
    # deploy may become root without a password, guest may not.
    for user in deploy guest; do useradd --create-home --password '*' --shell /bin/sh "$user"; done
    echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
    chmod 0440 /etc/sudoers.d/deploy
    touch /etc/ssh/lab
fi
if [ "$init" = systemd ]; then become_systemd; fi
mkdir -p /run/sshd
if [ -x /etc/rc.local ]; then /etc/rc.local; fi
exec tini -- /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config
