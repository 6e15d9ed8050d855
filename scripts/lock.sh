#!/usr/bin/env bash
# Pins everything that a fresh machine installs: requirements/lock-DISTRO-SET.txt with hashes, valid for Python 3.10 to
# 3.14. All sets of a distribution are resolved together; the file of a set holds what the sets before it lack. Run it to
# move to newer versions. Needs `uv` (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() {  # FILE INPUT...
  uv pip compile --quiet --universal --python-version 3.10 --no-python-downloads --no-header --no-annotate \
    --output-file "$@"
}
for distro in kilted jazzy; do
  sed "s/DISTRO/$distro/" requirements/ros.in >"$work/ros.in"
  inputs=("$work/ros.in")
  compile "$work/all.txt" "${inputs[@]}" requirements/{run,train,torch,test}.in "$@"
  : >"$work/before.txt"
  for set in run train test; do
    inputs+=("requirements/$set.in")
    [ "$set" != train ] || inputs+=(requirements/torch.in)
    compile "$work/set.txt" "${inputs[@]}" --constraint "$work/all.txt"
    grep -vxFf "$work/before.txt" "$work/set.txt" | grep -vE '^(torch|triton|nvidia|cuda)[-=]' >"$work/new.in" || true
    compile "requirements/lock-$distro-$set.txt" "$work/new.in" --no-deps --generate-hashes
    cp "$work/set.txt" "$work/before.txt"
  done
done
