#!/bin/sh
# Finds this node's software by its SHA-256 and installs it, unless that is done.
# usage: boot.sh [folder that holds the bundle]
set -eua
. /etc/vdc/node.env
lib=/var/lib/vdc sum=$VDC_BUNDLE_SHA256
from=${1:-${VDC_PAYLOAD:-/run/vdc-payload}}
[ "$(cat $lib/installed 2>/dev/null)" != "$sum" ] || exit 0
mkdir -p $lib/bundle "$from"

right() { [ "$(sha256sum <"$1" | cut -c1-64)" = "$sum" ]; }
get() { curl -fsS --connect-timeout 10 -o $file "$@" && right $file; }
find_it() {
    for file in "$from"/*; do [ -f "$file" ] && right "$file" && return; done
    file=$lib/bundle.tar.gz
    if [ "${VDC_BUNDLE_URL:-}" ]; then get "$VDC_BUNDLE_URL" && return; fi
    for url in $VDC_ENDPOINTS; do
        get --noproxy '*' --cacert /etc/vdc/ca.pem "$url/join/v1/bundles/$sum" && return
    done
    echo "vdc: no bundle $sum in $from, ${VDC_BUNDLE_URL:-} $VDC_ENDPOINTS" >&2
    return 1
}

[ "$(ls "$from")" ] || mount -o ro LABEL=VDC_PAYLOAD "$from" || :
find_it
tar -xzf "$file" -C $lib/bundle
sh $lib/bundle/install.sh
rm -rf $lib/bundle $lib/bundle.tar.gz
