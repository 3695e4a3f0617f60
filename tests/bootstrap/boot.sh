#!/bin/sh
# Becomes systemd over this machine's files: boot.sh FOLDER ADDRESS
# Runs in namespaces of its own. Everything that the machine writes is in memory and goes with it;
# FOLDER/kept is its /run/kept.
set -eu
home=$1 address=$2
mount --make-rprivate /
mkdir -p "$home/kept" "$home/over"
mount -t tmpfs over "$home/over"
mkdir "$home/over/changes" "$home/over/work" "$home/over/root"
mount -t overlay -o "lowerdir=/,upperdir=$home/over/changes,workdir=$home/over/work" over \
    "$home/over/root"
cd "$home/over/root"

mount -t proc proc proc
mount -t sysfs sysfs sys
groups=sys/fs/cgroup
if grep -qv '^0::' /proc/self/cgroup; then
    mount -t tmpfs -o mode=755 cgroup $groups
    sed 's/^0::.*/v2/; s/^[0-9]*:\([^:]*\):.*/\1/' /proc/self/cgroup | while read -r controllers; do
        case $controllers in
            v2) folder=unified options='-t cgroup2' ;;
            name=*) folder=${controllers#name=} options="-t cgroup -o none,$controllers" ;;
            *) folder=$controllers options="-t cgroup -o $controllers" ;;
        esac
        mkdir "$groups/$folder"
        # shellcheck disable=SC2086 # several words
        mount $options cgroup "$groups/$folder"
    done
else
    mount -t cgroup2 cgroup $groups
fi

mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
: >dev/console
mount --bind "$home/console" dev/console

mount -t tmpfs -o mode=755 run run
mkdir run/kept run/changes
mount --bind "$home/kept" run/kept
mount --bind "$home/over/changes" run/changes
mount -t tmpfs -o mode=1777 tmp tmp

# Of this machine's services none, but those that systemd cannot do without.
: >etc/fstab
: >etc/machine-id
rm -rf etc/systemd/system etc/vdc var/lib/vdc
mkdir etc/systemd/system
for service in cloud-init console-getty dbus systemd-logind systemd-networkd systemd-udevd; do
    ln -s /dev/null etc/systemd/system/$service.service
done

pivot_root . .
umount -l .
ip link set lo up
ip link add up0 type veth peer name up1
ip address add "$address/24" dev up0
ip link set up0 up
ip link set up1 up
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
    --unit=multi-user.target </dev/null >/dev/console 2>&1
