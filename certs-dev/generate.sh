#!/usr/bin/env bash
# Certificates for development and tests: one authority, a server and clients of every identity form.
#
#   certs-dev/generate.sh [OUTDIR]        default: out/ beside this script
#
# Run again, it keeps a complete set that is good for another day and replaces anything else.
# Never trust this authority outside a development machine: its key lies unencrypted in OUTDIR.
set -euo pipefail
umask 077

readonly days=7
readonly clients=(reader writer admin dns-client cn-client)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/out}

command -v openssl >/dev/null || {
  echo "generate.sh: openssl is missing; install it with: apt-get install openssl" >&2
  exit 1
}

# complete DIR: whether every certificate is there, matches the authority and is good for another day.
complete() {
  local name
  for name in ca server "${clients[@]}"; do
    [[ -s $1/$name.key ]] || return 1
    openssl x509 -in "$1/$name.crt" -noout -checkend 86400 >/dev/null 2>&1 || return 1
    openssl verify -CAfile "$1/ca.crt" "$1/$name.crt" >/dev/null 2>&1 || return 1
  done
  for name in "${clients[@]}"; do
    [[ -s $1/$name.pem ]] || return 1
  done
}

# quietly COMMAND…: openssl chatters on standard error; it is shown only when the command fails.
quietly() {
  local said
  said=$("$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    return 1
  }
}

# authority: a self-signed CA in ca.crt and ca.key.
authority() {
  cat >ca.cnf <<'CNF'
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = development CA
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CNF
  quietly openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days "$days" \
    -config ca.cnf -keyout ca.key -out ca.crt
}

# leaf NAME COMMON_NAME USAGE [SUBJECT_ALT_NAME]: an end-entity certificate in NAME.crt and NAME.key.
leaf() {
  local name=$1 common_name=$2 usage=$3 alt_name=${4:-}
  cat >"$name.cnf" <<CNF
[req]
distinguished_name = name
prompt = no
[name]
CN = $common_name
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = $usage
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
${alt_name:+subjectAltName = $alt_name}
CNF
  quietly openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
    -config "$name.cnf" -keyout "$name.key" -out "$name.csr"
  quietly openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -set_serial "0x1$(openssl rand -hex 15)" \
    -sha256 -days "$days" -extfile "$name.cnf" -extensions extensions -out "$name.crt"
}

# client NAME COMMON_NAME [SUBJECT_ALT_NAME]: a leaf for client authentication, also as one file NAME.pem.
client() {
  leaf "$1" "$2" clientAuth "${3:-}"
  cat "$1.crt" "$1.key" >"$1.pem"
}

mkdir -p "$out"
out=$(cd "$out" && pwd)
if complete "$out"; then
  echo "kept $out"
  exit 0
fi

# Made aside and moved at the end, so that a failure on the way leaves the old set as it was.
work=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

authority
leaf server localhost serverAuth 'DNS:localhost, DNS:s3.internal, DNS:*.s3.internal, IP:127.0.0.1, IP:::1'
client reader reader 'URI:spiffe://cluster.local/ns/app/sa/reader'
client writer writer 'URI:spiffe://cluster.local/ns/app/sa/writer'
client admin admin 'URI:spiffe://cluster.local/ns/platform/sa/admin'
client dns-client client.app.svc 'DNS:client.app.svc'
client cn-client legacy-app

mv -f ./*.crt ./*.key ./*.pem "$out"
echo "made $out"
