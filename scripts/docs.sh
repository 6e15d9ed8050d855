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
"$venv/bin/zensical" build --strict --clean
# Links of pages that are included from outside of docs/: models/README.md and CONTRIBUTING.md.
sed -i -E 's#href="(\.\./)?docs/#href="#g' build/docs/models.html build/docs/contributing.html
for page in models contributing; do
  for link in $(grep -oE 'href="[a-z_]+\.html' "build/docs/$page.html" | cut -d'"' -f2 | sort -u); do
    [ -e "build/docs/$link" ] || { echo "docs: $page links to $link, which does not exist" >&2; exit 1; }
  done
done
echo "open build/docs/index.html"
