# Writes the mark that says whose node this machine is, and prints the mark that is there then.
# Usage: claim.sh new|known, the mark on standard input. With `new` a mark that is there stays.
set -eu
umask 022
mkdir -p /etc/vdc /var/lib/vdc
fresh=$(mktemp /etc/vdc/.node.json.XXXXXXXX)
# Its own only: another stack may be writing one beside it.
trap 'rm -f "$fresh"' EXIT
cat >"$fresh"
chmod 0644 "$fresh"
if [ "$1" = new ]; then
    # A link is made or refused in one step, whoever else claims this machine now.
    ln "$fresh" /etc/vdc/node.json 2>/dev/null || :
else
    cp "$fresh" "$fresh.new"
    mv -f "$fresh.new" /etc/vdc/node.json
fi
cat /etc/vdc/node.json
