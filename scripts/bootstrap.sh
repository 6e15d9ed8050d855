#!/usr/bin/env bash
# Makes build/FLAVOUR ready to run: a Python environment, ROS 2 and this package built by colcon.
# Quick when nothing changed. Without a sourced ROS 2: everything from PyPI (DISTRO=jazzy|kilted).
# With a sourced ROS 2: uses it and pip-installs only what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/flavour.sh || exit 1

fail() { printf '\nbootstrap: %s\n' "$*" >&2; exit 1; }
step() { printf '== %s\n' "$*" >&2; }
need() { command -v "$1" >/dev/null || fail "'$1' is missing. Install it, e.g.: sudo apt-get install $2"; }

need cmake cmake
need make make
need c++ g++
"$BASE_PYTHON" -c 'import sys; raise SystemExit(sys.version_info < (3, 10))' ||
  fail "Python >= 3.10 is needed, $BASE_PYTHON is $("$BASE_PYTHON" --version 2>&1). Name another: make ... PYTHON=python3.12"
"$BASE_PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$BASE_PYTHON has no venv module. Install it, e.g.: sudo apt-get install python3-venv"
[ -e "$("$BASE_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
  fail "$BASE_PYTHON has no C headers. Install them, e.g.: sudo apt-get install python3-dev"

pip_install() {
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-warn-script-location "$@" ||
    fail "pip could not install: $*
  Check the network, or name a mirror through PIP_INDEX_URL."
}

# --- Python environment: recreated when its inputs change ---------------------------------------
recipe="$ROOT $("$BASE_PYTHON" --version) $(cat scripts/repair_cmake.py requirements/*.in "$LOCK" 2>/dev/null | cksum)"
if [ "$(cat "$VENV/.recipe" 2>/dev/null)" != "$FLAVOUR $recipe" ]; then
  rm -rf "$VENV"
  step "$VENV: Python environment (some 190 packages: a minute or more)"
  if [ -n "$SYSTEM_ROS" ]; then
    "$BASE_PYTHON" -m venv --system-site-packages "$VENV"
    # cv_bridge was compiled against the system's numpy: never replace that one.
    "$VENV/bin/python" - >"$VENV/constraints.txt" <<'PY'
try:
    import numpy
    print(f"numpy=={numpy.__version__}")
except ImportError:
    pass
print("setuptools<80  # colcon")
PY
    command -v colcon >/dev/null || pip_install -qq colcon-bash colcon-core colcon-cmake colcon-ros
    pip_install -qq -c "$VENV/constraints.txt" -r requirements/python.in -r requirements/dev.in
    step "$VENV: torch"
    pip_install -c "$VENV/constraints.txt" -r requirements/torch.in
  else
    "$BASE_PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -c 'import sys; raise SystemExit("'"$DISTRO"'" == "jazzy" and sys.version_info >= (3, 13))' ||
      fail "PyPI has no ROS 2 Jazzy for $("$BASE_PYTHON" --version). Take DISTRO=kilted or PYTHON=python3.12."
    # In one step: otherwise packages that depend on torch install another version first.
    pip_install -q -r "$LOCK" -r requirements/torch.in
    "$VENV/bin/python" scripts/repair_cmake.py
  fi
  echo "$FLAVOUR $recipe" >"$VENV/.recipe"
fi

# --- colcon ------------------------------------------------------------------------------------
source scripts/env.sh
# The workspace holds links: CMake refuses to export a target whose include folders (numpy's, in
# .venv) lie below its own source folder.
src=$BUILD/src
mkdir -p "$src/icnet_ros"
for item in package.xml CMakeLists.txt config demo icnet_ros launch models msg scripts; do
  ln -sfn "$ROOT/$item" "$src/icnet_ros/$item"
done
ln -sfn "$ROOT/support/vision_msgs" "$src/vision_msgs"
for prefix in ${AMENT_PREFIX_PATH//:/ }; do
  if [ "$prefix" != "$BUILD/install" ] && [ -e "$prefix/share/vision_msgs/package.xml" ]; then
    [ ! -e "$BUILD/build/vision_msgs" ] || rm -rf "$BUILD/build" "$BUILD/install"  # built with the bundled one
    rm -rf "$src/vision_msgs"  # ROS has its own
  fi
done
log=$BUILD/colcon.txt
step "$BUILD: colcon build"
colcon --log-base "$BUILD/log" build --base-paths "$src" --build-base "$BUILD/build" \
  --install-base "$BUILD/install" --merge-install --symlink-install \
  --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$VENV/bin/python" -DPython3_FIND_VIRTUALENV=ONLY \
  -Wno-dev --no-warn-unused-cli >"$log" 2>&1 ||
  { tail -n 40 "$log" >&2; fail "colcon build failed; the whole log is $log"; }
