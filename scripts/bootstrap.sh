#!/usr/bin/env bash
# scripts/bootstrap.sh [run|train|test]...: makes build/FLAVOUR ready with these sets of requirements (run always, train with
# test): a Python environment in .venv, ROS 2, and this package built by colcon. Quick when nothing changed; a set that is
# installed stays.
# Without a sourced ROS 2: everything from PyPI (DISTRO=jazzy|kilted), pinned by requirements/lock-DISTRO-SET.txt.
# With a sourced ROS 2: uses it and installs only what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/flavour.sh || exit 1
source scripts/install.sh

# --- What the system must have: all that is missing in one message ------------------------------
missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v make >/dev/null || missing+=(make)
command -v c++ >/dev/null || missing+=(g++)
"$BASE_PYTHON" -c 'import sys; raise SystemExit(sys.version_info < (3, 10))' ||
  fail "Python >= 3.10 is needed, $BASE_PYTHON is $("$BASE_PYTHON" --version 2>&1). Name another: make ... PYTHON=python3.12"
"$BASE_PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ -e "$("$BASE_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=(python3-dev)
[ ${#missing[@]} = 0 ] || fail "${missing[*]} missing (of $BASE_PYTHON). Install, e.g.: sudo apt-get install ${missing[*]}"
[ -n "$SYSTEM_ROS" ] ||
  "$BASE_PYTHON" -c 'import sys; raise SystemExit("'"$DISTRO"'" == "jazzy" and sys.version_info >= (3, 13))' ||
  fail "PyPI has no ROS 2 Jazzy for $("$BASE_PYTHON" --version). Take DISTRO=kilted or PYTHON=python3.12."

# --- Python environment: recreated when its inputs change, a set is added when it is asked for --
recipe="$FLAVOUR $ROOT $("$BASE_PYTHON" --version) $(cat scripts/repair_wheels.py requirements/*.in requirements/lock-* | cksum)"
if [ "$(cat "$VENV/.recipe" 2>/dev/null)" != "$recipe" ]; then
  rm -rf "$VENV"
  mkdir -p "$VENV"
  if [ -n "$SYSTEM_ROS" ]; then
    "$BASE_PYTHON" -m venv --system-site-packages "$VENV"
    system_constraints >"$VENV/constraints.txt"
  else
    "$BASE_PYTHON" -m venv --without-pip "$VENV"  # the lock has pip; by ensurepip it takes 3 s
  fi
  touch "$VENV/.sets"
  echo "$recipe" >"$VENV/.recipe"
fi
if [[ " $* " == *" test "* ]]; then set -- train "$@"; fi  # the lock of `test` leaves out what is in that of `train`
for set in run "$@"; do
  grep -qx "$set" "$VENV/.sets" && continue
  install_set "$set"
  echo "$set" >>"$VENV/.sets"
done

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
for prefix in ${AMENT_PREFIX_PATH//:/ }; do  # ROS has its own
  [ "$prefix" = "$BUILD/install" ] || [ ! -e "$prefix/share/vision_msgs/package.xml" ] || rm -rf "${src:?}/vision_msgs"
done
rm -rf "${src:?}/nav_msgs"  # bundled by earlier versions
for package in vision_msgs nav_msgs; do  # what was built of it would hide that of ROS
  [ -e "$src/$package" ] || [ ! -e "$BUILD/build/$package" ] || rm -rf "$BUILD/build" "$BUILD/install"
done
log=$BUILD/colcon.txt
# Nodes in C++, rosbag2 among them, are those of a ROS 2 of the system; MESSAGES_FOR_CPP=ON for others.
for_cpp=${MESSAGES_FOR_CPP:-$([ -n "$SYSTEM_ROS" ] && echo ON || echo OFF)}
colcon_build() {  # without colcon's limit by the load, which on a busy machine leaves one job
  # CMake before 3.28 imports distutils six times for each package; that of setuptools takes 0.4 s. colcon of the system
  # may be run by another Python.
  local distutils=local
  [ -n "$SYSTEM_ROS" ] || distutils=$("$BASE_PYTHON" -c 'import sys; print("stdlib" if sys.version_info < (3, 12) else "local")')
  SETUPTOOLS_USE_DISTUTILS=$distutils MAKEFLAGS=-j$(nproc) colcon --log-base "$BUILD/log" build --base-paths "$src" \
    --build-base "$BUILD/build" --install-base "$BUILD/install" --merge-install --symlink-install \
    --cmake-args -DBUILD_TESTING=OFF "-DMESSAGES_FOR_CPP=$for_cpp" "-DPython3_EXECUTABLE=$VENV/bin/python" -DPython3_FIND_VIRTUALENV=ONLY \
    -Wno-dev --no-warn-unused-cli >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; fail "colcon build failed; the whole log is $log"; }
}
# Numba's kernels, which would be compiled at the first start otherwise. They need no messages: both builds leave cores idle.
stamp=$BUILD/.kernels
compile_kernels() { "$VENV/bin/python" -m icnet_ros.engine.kernels.compile && touch "$stamp"; }
build_all() {
  local kernels=
  if [ ! -e "$stamp" ] || [ -n "$(find icnet_ros/engine/kernels icnet_ros/ground icnet_ros/wire -name '*.py' -newer "$stamp")" ]; then
    compile_kernels & kernels=$!
  fi
  (colcon_build) || { [ -z "$kernels" ] || kill "$kernels"; exit 1; }
  [ -z "$kernels" ] || wait "$kernels" || fail "the kernels could not be compiled, see above"
  # Numba looks for them beside the files that are imported: those in $BUILD/install, which are links.
  local package file
  package=$(echo "$BUILD"/install/lib/python3*/site-packages)
  find icnet_ros -name '*.nb[ic]' | while read -r file; do
    mkdir -p "$package/$(dirname "$file")" && ln -sfn "$ROOT/$file" "$package/$file"
  done
}
step "$BUILD: messages and kernels" build_all
