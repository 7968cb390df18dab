#!/usr/bin/env bash
# Installs the commands that the tests need and this machine has not: by apt-get where we are root, else it says how.
# It always ends well: a test whose command is missing says so itself, and fails in CI.
set -uo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

missing=()
while read -r name packages; do
  command -v "$name" >/dev/null || missing+=($packages)
done <<'LIST'
make          make
curl          curl
openssl       openssl
node          nodejs
npm           npm
redis-server  redis-server
haproxy       haproxy
chromium      chromium
LIST
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null ||
  missing+=(python3 python3-pip python3-venv)
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Some tests need what is missing here. On Debian: sudo apt-get install ${missing[*]}" >&2
  exit 0
fi
echo "Installing what the tests need: ${missing[*]}"
# Debian starts a service when it is installed, and at each boot. The tests start their own, on ports of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  install -m 755 /dev/stdin "$policy" <<<$'#!/bin/sh\nexit 101'
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null; } ||
  echo "Not all of it could be installed: ${missing[*]}" >&2
for service in redis-server haproxy; do
  if [[ " ${missing[*]} " == *" $service "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet "$service" 2>/dev/null || true
  fi
done
