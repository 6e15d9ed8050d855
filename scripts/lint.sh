#!/usr/bin/env bash
# Style, types and import rules. Needs what `source scripts/env.sh` gives.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
lint-imports --no-cache
