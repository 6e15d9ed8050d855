#!/usr/bin/env bash
# Builds the documentation site into build/docs. Needs no ROS; a dead link or a missing page fails.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv/docs
recipe=$(cksum <requirements/docs.txt)
if [ "$(cat "$venv/.recipe" 2>/dev/null)" != "$recipe" ]; then
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r requirements/docs.txt
  echo "$recipe" >"$venv/.recipe"
fi
NO_MKDOCS_2_WARNING=1 "$venv/bin/mkdocs" build --strict --quiet
echo "open build/docs/index.html"
