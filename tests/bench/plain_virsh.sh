#!/bin/sh
# The same containers without vdc: virsh, an image, a seed each, one Nomad server on this side of
# the lab network. The yardstick of libvirt_time.py.
#
#   plain_virsh.sh FOLDER IMAGE ADDRESS COUNT URI...
#
# starts the server on ADDRESS and COUNT containers, spread over the hosts of the URIs, on their
# bridge br0; prints "ready" once all are ready in the scheduler, and waits until its standard input
# is closed; then ends the server. The containers stay: they go with the lab. The nodes' keys are
# made here, which vdc never does; nothing is checked, marked or repeated.
set -eu
umask 077
folder=$1
image=$2
address=$3
count=$4
shift 4
mkdir -p "$folder"
cd "$folder"

server=
end() {
  test -z "$server" || kill -KILL "$server" 2>/dev/null || true
}
trap end EXIT

until_true() {
  until "$@" >/dev/null 2>&1; do sleep 0.1; done
}

# --- one host: pool, base image as a raw volume, payload ---
virsh_() {
  virsh --quiet --connect "$@"
}

prepare() {
  uri=$1
  virsh_ "$uri" pool-create-as plain dir --target /var/lib/libvirt/images/plain --build
  virsh_ "$uri" vol-create-as plain base.qcow2 2G --format qcow2
  virsh_ "$uri" vol-upload --pool plain base.qcow2 "$image"
  cat >"raw.$2.xml" <<XML
<volume><name>base.raw</name><capacity unit='GiB'>2</capacity>
  <target><format type='raw'/></target></volume>
XML
  virsh_ "$uri" vol-create-from plain "raw.$2.xml" base.qcow2 --inputpool plain
  virsh_ "$uri" vol-create-as plain payload.raw "$(stat -c %s payload)" --format raw
  virsh_ "$uri" vol-upload --pool plain payload.raw payload
}

# --- the scheduler ---
nomad tls ca create >/dev/null 2>>made.log
for role in server client cli; do
  nomad tls cert create "-$role" -region global -additional-ipaddress "$address" \
    >/dev/null 2>>made.log
done
cat >server.hcl <<CONFIG
datacenter = "plain"
data_dir   = "$folder/server"
bind_addr  = "$address"
disable_update_check = true
acl {
  enabled = true
}
tls {
  http                   = true
  rpc                    = true
  ca_file                = "$folder/nomad-agent-ca.pem"
  cert_file              = "$folder/global-server-nomad.pem"
  key_file               = "$folder/global-server-nomad-key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}
server {
  enabled          = true
  bootstrap_expect = 1
  encrypt          = "$(nomad operator gossip keyring generate)"
  raft_multiplier  = 1
  client_introduction {
    enforcement = "strict"
  }
}
CONFIG
env -i PATH="$PATH" HOME="$HOME" nomad agent -config server.hcl >server.log 2>&1 &
server=$!

# --- what all nodes share ---
mkdir payload.d
cp "$(command -v nomad)" payload.d/nomad
truncate -s 160M payload
mke2fs -q -t ext2 -m 0 -d payload.d payload
number=0
for uri in "$@"; do
  number=$((number + 1))
  prepare "$uri" "$number" &
  hosts="${hosts-} $!"
done

export NOMAD_ADDR="https://$address:4646"
export NOMAD_CACERT="$folder/nomad-agent-ca.pem"
export NOMAD_CLIENT_CERT="$folder/global-cli-nomad.pem"
export NOMAD_CLIENT_KEY="$folder/global-cli-nomad-key.pem"
bootstrap() {
  nomad acl bootstrap -json >bootstrap.json
}
until_true bootstrap
NOMAD_TOKEN=$(sed -n 's/.*"SecretID": *"\([^"]*\)".*/\1/p' bootstrap.json)
export NOMAD_TOKEN
introduce() {
  nomad node intro create -node-name "$1" -json >"$1.json"
}

# --- each node ---
indented() {
  sed 's/^/      /' "$1"
}

seed() {
  mkdir "$1.d"
  printf 'instance-id: %s\nlocal-hostname: %s\n' "$1" "$1" >"$1.d/meta-data"
  sed -n 's/.*"JWT": *"\([^"]*\)".*/\1/p' "$1.json" >"$1.jwt"
  cat >"$1.hcl" <<CONFIG
name       = "$1"
datacenter = "plain"
data_dir   = "/var/lib/nomad"
disable_update_check = true
acl {
  enabled = true
}
tls {
  http                   = true
  rpc                    = true
  ca_file                = "/etc/nomad/ca.pem"
  cert_file              = "/etc/nomad/cert.pem"
  key_file               = "/etc/nomad/key.pem"
  verify_server_hostname = true
}
client {
  enabled = true
  servers = ["$address:4647"]
  options {
    "fingerprint.denylist" = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault,cni"
  }
}
CONFIG
  {
    echo '#cloud-config'
    echo 'write_files:'
    for file in ca.pem:nomad-agent-ca.pem cert.pem:global-client-nomad.pem \
      key.pem:global-client-nomad-key.pem "agent.hcl:$1.hcl"; do
      printf '  - path: /etc/nomad/%s\n    permissions: "0600"\n    content: |\n' "${file%%:*}"
      indented "${file#*:}"
    done
    printf '  - path: /var/lib/nomad/client/intro_token.jwt\n    permissions: "0600"\n'
    printf '    content: |\n'
    indented "$1.jwt"
    cat <<'CONFIG'
  - path: /etc/systemd/system/nomad.service
    content: |
      [Service]
      ExecStart=/usr/local/bin/nomad agent -config /etc/nomad/agent.hcl
      [Install]
      WantedBy=multi-user.target
runcmd:
  - install /var/lib/payload/nomad /usr/local/bin/nomad
  - systemctl start --no-block nomad
CONFIG
  } >"$1.d/user-data"
  truncate -s 1M "$1.seed"
  mke2fs -q -t ext2 -d "$1.d" "$1.seed"
}

container() {
  uri=$1
  name=$2
  store=/var/lib/libvirt/images/plain
  virsh_ "$uri" vol-clone --pool plain base.raw "$name.raw"
  virsh_ "$uri" vol-create-as plain "$name.seed" 1M --format raw
  virsh_ "$uri" vol-upload --pool plain "$name.seed" "$name.seed"
  cat >"$name.xml" <<XML
<domain type='lxc'>
  <name>$name</name>
  <memory unit='MiB'>1024</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64'>exe</type><init>/sbin/init</init></os>
  <features><capabilities policy='default'><mknod state='on'/></capabilities></features>
  <devices>
    <filesystem type='file'><driver type='loop' format='raw'/>
      <source file='$store/$name.raw'/><target dir='/'/></filesystem>
    <filesystem type='file'><driver type='loop' format='raw'/>
      <source file='$store/$name.seed'/><target dir='/var/lib/cloud/seed/nocloud'/></filesystem>
    <filesystem type='file'><driver type='loop' format='raw'/>
      <source file='$store/payload.raw'/><target dir='/var/lib/payload'/><readonly/></filesystem>
    <interface type='bridge'><source bridge='br0'/></interface>
    <console type='pty'/>
  </devices>
</domain>
XML
  virsh_ "$uri" define "$name.xml"
  virsh_ "$uri" start "$name"
}

number=0
while [ "$number" -lt "$count" ]; do
  until_true introduce "plain-$number"
  seed "plain-$number"
  number=$((number + 1))
done
# shellcheck disable=SC2086 # a list of process ids
for host in $hosts; do wait "$host"; done

# The containers of one host one after the other, the hosts side by side.
column=0
for uri in "$@"; do
  (
    number=$column
    while [ "$number" -lt "$count" ]; do
      container "$uri" "plain-$number"
      number=$((number + $#))
    done
  ) &
  column=$((column + 1))
done

ready() {
  test "$(nomad node status -json | tr , '\n' | grep -c '"Status": *"ready"')" = "$count"
}
until_true ready
echo ready
cat >/dev/null
