#!/usr/bin/env bash
# Style, types and import rules. Run `source scripts/env.sh` first.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
lint-imports --no-cache
