# Writes one file for root's eyes alone, or for all: never half, never first readable and then not.
# Usage: put.sh PATH MODE, the content on standard input.
set -eu
umask 077
mkdir -p "${1%/*}"
cat >"$1.new"
chmod "$2" "$1.new"
mv -f "$1.new" "$1"
