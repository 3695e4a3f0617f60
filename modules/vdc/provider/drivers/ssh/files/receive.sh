# Makes room for an archive that the user $1 is about to push, or, without one, closes it again.
set -eu
folder=/var/lib/vdc/payload
umask 077
mkdir -p "$folder"
if [ -n "${1:-}" ]; then
    rm -f "$folder"/*
    chown "$1" "$folder"
else
    chown -R 0:0 "$folder"
    mv -f "$folder"/part "$folder/$2"
fi
