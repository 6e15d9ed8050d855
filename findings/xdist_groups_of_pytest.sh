#!/usr/bin/env bash
# pytest-xdist 3.8.0 with `--dist loadgroup`: tests marked xdist_group("one") all run in one worker with pytest 9.1.1.
# With pytest 9.2.0 the mark has no effect and no warning: xdist sets Item._nodeid, which pytest no longer reads, and
# every test is a group of its own. xdist's requirement (pytest>=7) admits both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/test_one.py" <<'PY'
import os
import time

import pytest


@pytest.mark.parametrize("number", range(12))
@pytest.mark.xdist_group("one")
def test_of_the_group(number):
    time.sleep(0.3)
    print(os.environ["PYTEST_XDIST_WORKER"])
PY
for version in 9.1.1 9.2.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pytest==$version" pytest-xdist==3.8.0
  cd "$folder"
  workers=$("$folder/$version/bin/python" -m pytest -n 3 --dist loadgroup -rP test_one.py | grep -oE '^gw[0-9]+' | sort | uniq -c)
  echo "pytest $version, tests by worker:"
  echo "$workers"
  count=$(echo "$workers" | wc -l)
  if [ "$version" = 9.1.1 ]; then [ "$count" = 1 ]; else [ "$count" -gt 1 ]; fi
done
