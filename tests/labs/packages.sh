#!/bin/sh
# Installs what the labs need and this machine lacks, on Debian and what descends from it.
#
#     tests/labs/packages.sh
#
# Takes a moment when everything is there. Starts no service.
set -eu

packages="
    cloud-init curl dnsmasq-base e2fsprogs extlinux faketime fdisk genisoimage iproute2
    libvirt-clients libvirt-daemon-driver-lxc libvirt-daemon-driver-qemu libvirt-daemon-system
    libvirt-dev mmdebstrap nftables openssh-client openssh-server openssl pkg-config procps
    qemu-system-x86 qemu-utils sudo syslinux-common tini util-linux
"

if ! command -v dpkg-query >/dev/null; then
    echo "The labs need Debian or a descendant of it; without them, leave out the tests marked" \
        "real. By other names on this system: $(echo $packages)" >&2
    exit 1
fi

# Output names what is installed, so what is left of the list is missing.
missing=$(
    {
        dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
            sed -n 's/^installed //p'
        printf '%s\n' $packages
    } | sort | uniq -u
)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "The labs lack packages; as root: apt-get install" $missing >&2
    exit 1
fi

# Installing a service starts it, unless this says no; labs start their own, and end them.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "==> Installing" $missing
apt-get update -qq
apt-get install -qq --no-install-recommends $missing
