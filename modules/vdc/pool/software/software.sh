#!/bin/sh
# One version of one software on this machine: there as a whole or not at all.
#
#   software.sh add    SPREAD ROOT FOLDER SOURCE SHA256 KIB CA ENDPOINT...
#   software.sh remove SPREAD ROOT FOLDER SOURCE
#
# SPREAD    seconds over which machines that are asked at once begin
# ROOT      the packages folder; FOLDER (name/version) is the place in it
# SOURCE    what the place must say it was made of
# SHA256    of the archive, which any ENDPOINT may have; CA is who vouches for them
# KIB       room that archive and content take together
#
# Any number may run at once, and each may be killed at any moment. The exit code says what went
# wrong; the pool service puts it into words.

set -u
umask 022
OTHER=20 ROOM=21 UNREACHABLE=22 GONE=23 SUM=24 WRITE=25 TOOLS=26
ROUNDS=12 PAUSE_S=5

mode=$1 spread=$2 root=$3 folder=$4 source=$5
shift 5
place=$root/$folder
parent=${place%/*}
version=${place##*/}

holds() {
  grep -qs "\"$source\"" "$place/.vdc-artifact.json"
}

# Lets one at a time go on; what a killed one has left goes.
alone() {
  mkdir -p "$parent" && exec 9>"$parent/.$version.lock" || exit $WRITE
  flock 9
  rm -rf "$parent/.$version.part-"*
  work=$(mktemp -d "$parent/.$version.part-XXXXXX") || exit $WRITE
  trap 'rm -rf "$work"' EXIT
}

# The service lets few fetch at once and tells the others when to come again. Not every endpoint
# need have the archive, and one that is away may come back.
fetch() {
  round=0
  while :; do
    later='' reached=no away=no
    for endpoint in "$@"; do
      code=$(curl --silent --noproxy '*' --cacert "$ca" --connect-timeout 10 \
        --speed-limit 1000 --speed-time 60 --dump-header "$work/head" --output "$work/archive" \
        --write-out '%{http_code}' "$endpoint/join/v1/artifacts/$sha256")
      case $?:$code in
        0:200) return ;;
        0:404) reached=yes ;;
        0:503) later=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,6\}\).*/\1/p' "$work/head") ;;
        23:*) exit $ROOM ;;
        *) away=yes ;;
      esac
    done
    if [ -n "$later" ]; then
      round=0
      sleep "$later"
      continue
    fi
    [ "$reached:$away" = yes:no ] && exit $GONE
    round=$((round + 1))
    [ "$round" -lt "$ROUNDS" ] || exit $UNREACHABLE
    sleep "$PAUSE_S"
  done
}

free_kib() {
  df -Pk "$parent" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p'
}

add() {
  sha256=$1 kib=$2 ca=$3
  shift 3
  holds && exit 0
  for tool in curl flock gzip mktemp sha256sum tar; do
    command -v "$tool" >/dev/null || exit $TOOLS
  done
  if [ "$spread" -gt 0 ]; then
    sleep $(($(od -An -N2 -tu2 /dev/urandom) % spread))
  fi
  alone
  holds && exit 0
  [ -e "$place" ] && exit $OTHER
  [ "$(free_kib)" -ge "$kib" ] || exit $ROOM
  fetch "$@"
  echo "$sha256  $work/archive" | sha256sum -c >/dev/null 2>&1 || exit $SUM
  mkdir "$work/tree" && tar -xzof "$work/archive" -C "$work/tree" || exit $ROOM
  # What is renamed before it is on the disk may be empty after a power cut.
  { sync -f "$work" 2>/dev/null || sync; } && rm "$work/archive" && mv "$work/tree" "$place" || exit $WRITE
}

remove() {
  holds || exit 0
  alone
  if holds; then
    mv "$place" "$work/" || exit $WRITE
  fi
}

"$mode" "$@"
