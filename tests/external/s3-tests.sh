#!/usr/bin/env bash
# Runs ceph/s3-tests from a checkout of yours, directly against the store and through bridge and proxy, and prints which
# tests pass on one way only.
#
#   tests/external/s3-tests.sh DIR [PYTEST ARGUMENT…]
#
# DIR is a checkout of ceph/s3-tests, of which nothing is changed. Its packages go into a virtual environment below
# target/. Ends with 1 when a test passes directly that fails through the proxy and is not named in s3_tests.py.
set -euo pipefail

[[ $# -ge 1 && -d $1/s3tests ]] || {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
checkout=$(cd "$1" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)

cargo build --quiet --locked --bins --examples
[[ -x $target/venv/bin/python ]] || python3 -m venv "$target/venv"
"$target/venv/bin/python" -m pip install --quiet -r tests/clients/requirements.txt
[[ -x $target/s3-tests/bin/python ]] || python3 -m venv "$target/s3-tests"
"$target/s3-tests/bin/python" -m pip install --quiet -r "$checkout/requirements.txt"

export PROXY_BIN=${PROXY_BIN:-$target/debug/proxy} STORE_BIN=${STORE_BIN:-$target/debug/examples/store}
exec "$target/venv/bin/python" tests/external/s3_tests.py "$checkout" "$target/s3-tests/bin/python" "$@"
