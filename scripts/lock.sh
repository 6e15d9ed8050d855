#!/usr/bin/env bash
# Pins everything that a fresh machine installs: requirements/lock-{kilted,jazzy}.txt, valid for
# Python 3.10 to 3.14. Run it to move to newer versions. Needs `uv` (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
for distro in kilted jazzy; do
  lock=requirements/lock-$distro.txt
  sed "s/DISTRO/$distro/" requirements/ros.in |
    uv pip compile --quiet --universal --python-version 3.10 --no-python-downloads \
      --no-header --no-annotate --output-file "$lock" "$@" \
      - requirements/python.in requirements/torch.in requirements/dev.in
  sed -i -E '/^(torch|triton|nvidia|cuda)[-=]/d' "$lock"  # see requirements/torch.in
done
