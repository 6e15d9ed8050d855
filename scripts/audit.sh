#!/usr/bin/env bash
# Known vulnerabilities of the packages that the locks pin. Needs `pip install pip-audit`, and the network: without it
# the check is left out, with a word.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v pip-audit >/dev/null || { echo "pip-audit is missing: pip install pip-audit" >&2; exit 2; }
if ! python3 -c 'import socket; socket.create_connection(("pypi.org", 443), 5).close()' 2>/dev/null; then
  echo "pypi.org cannot be reached: the locks are not audited" >&2
  exit 0
fi
for lock in requirements/lock-*.txt; do
  echo "== $lock"
  pip-audit --no-deps --disable-pip -r "$lock"
done
