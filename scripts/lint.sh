#!/usr/bin/env bash
# Style, types, import rules, shell scripts and the Dockerfile. Run `source scripts/env.sh` first.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
mypy launch scripts/*.py  # not in the package
lint-imports --no-cache
if command -v shellcheck >/dev/null && command -v hadolint >/dev/null; then
  shellcheck --severity=warning scripts/*.sh docker/*.sh .ci/run
  hadolint docker/Dockerfile
else
  echo "shellcheck and hadolint are not installed here (x86-64 wheels): shell scripts and Dockerfile are not checked" >&2
fi
