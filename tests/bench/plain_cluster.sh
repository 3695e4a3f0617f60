#!/bin/sh
# The same cluster without vdc: one Nomad server and three agents on loopback, with mutual TLS,
# gossip encryption, ACL and strict introduction. The yardstick of time_to_pool.py.
#
#   plain_cluster.sh FOLDER PORT    starts it, prints "ready" once three nodes are, and waits
#                                   until its standard input is closed; then ends it
#
# PORT and the 40 after it are used. It polls every 0.1 s and sleeps nowhere else.
set -eu
umask 077
folder=$1
port=$2
mkdir -p "$folder"
cd "$folder"

agents=
asking=
end() {
  # shellcheck disable=SC2086 # lists of process ids
  kill -KILL $asking $agents 2>/dev/null || true
  wait
  # As root, an agent mounts its tasks' secrets.
  grep -o " $folder/[^ ]* " /proc/mounts 2>/dev/null | xargs -r umount || true
}
trap end EXIT

until_true() {
  until "$@" >/dev/null 2>&1; do sleep 0.1; done
}

nomad tls ca create >/dev/null 2>>made.log
for role in server client cli; do
  nomad tls cert create "-$role" -region global >/dev/null 2>>made.log
done
gossip=$(nomad operator gossip keyring generate)

# name, first port, certificate
common() {
  cat <<CONFIG
name       = "$1"
datacenter = "here"
data_dir   = "$folder/$1"
bind_addr  = "127.0.0.1"
advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}
ports {
  http = $2
  rpc  = $(($2 + 1))
  serf = $(($2 + 2))
}
disable_update_check = true
acl {
  enabled = true
}
tls {
  http                   = true
  rpc                    = true
  ca_file                = "$folder/nomad-agent-ca.pem"
  cert_file              = "$folder/global-$3-nomad.pem"
  key_file               = "$folder/global-$3-nomad-key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}
CONFIG
}

agent() {
  env -i PATH="$PATH" HOME="$HOME" nomad agent -config "$folder/$1.hcl" >"$folder/$1.log" 2>&1 &
  agents="$agents $!"
}

{
  common server "$port" server
  cat <<CONFIG
server {
  enabled          = true
  bootstrap_expect = 1
  encrypt          = "$gossip"
  raft_multiplier  = 1
  client_introduction {
    enforcement = "strict"
  }
}
CONFIG
} >server.hcl
agent server

export NOMAD_ADDR="https://127.0.0.1:$port"
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
for number in 1 2 3; do
  name=client$number
  first=$((port + 10 * number))
  until_true introduce "$name"
  mkdir -p "$name/client"
  sed -n 's/.*"JWT": *"\([^"]*\)".*/\1/p' "$name.json" >"$name/client/intro_token.jwt"
  {
    common "$name" "$first" client
    cat <<CONFIG
client {
  enabled           = true
  servers           = ["127.0.0.1:$((port + 1))"]
  network_interface = "lo"
  cpu_total_compute = 2000
  memory_total_mb   = 4096
  options {
    "fingerprint.denylist" = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault,cni"
    "driver.allowlist"     = "raw_exec"
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
CONFIG
  } >"$name.hcl"
  agent "$name"
  # Asked something through its own API it says at once that it is ready, and else within ten seconds:
  # without this the script would be slower, by chance.
  until_true nomad operator api -address "https://127.0.0.1:$first" /v1/status/leader &
  asking="$asking $!"
done

ready() {
  test "$(nomad node status -json | tr , '\n' | grep -c '"Status": *"ready"')" = 3
}
until_true ready
echo ready
# shellcheck disable=SC2086
wait $asking
asking=
cat >/dev/null
