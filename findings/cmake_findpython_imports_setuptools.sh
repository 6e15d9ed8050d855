#!/usr/bin/env bash
# CMake 3.25.2 (Debian 12 has 3.25.1) with setuptools 79.0.1: one find_package(Python3) starts the interpreter nine times, and six
# of these import all of setuptools (0.2 to 0.4 s each), as `from distutils import sysconfig` means setuptools' distutils where
# setuptools is installed. Each ROS 2 package with messages looks for Python when it is configured. SETUPTOOLS_USE_DISTUTILS=stdlib,
# for a Python before 3.12, which has its own distutils, avoids the imports, with the same result. CMake 3.28.3 does not do so.
set -euo pipefail
python3 -c 'import sys; raise SystemExit(sys.version_info >= (3, 12))' || { echo "Python before 3.12 is needed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cmake==3.25.2 setuptools==79.0.1
cat >"$folder/sitecustomize.py" <<'PY'
import atexit, os, sys

@atexit.register
def note():
    with open(os.environ["LAUNCHES"], "a") as file:
        print("setuptools" in sys.modules, file=file)
PY
mkdir "$folder/project"
cat >"$folder/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(demo C)
find_package(Python3 REQUIRED COMPONENTS Interpreter Development)
message(STATUS "found ${Python3_VERSION} ${Python3_SOABI} ${Python3_INCLUDE_DIRS}")
CMAKE
configure() {  # value of SETUPTOOLS_USE_DISTUTILS -> launches that imported setuptools, all launches, what was found
  rm -rf "$folder/build" "$folder/launches"
  # cmake from PyPI is itself started by Python: only the binary is wanted.
  local cmake
  cmake=$(echo "$folder"/venv/lib/python3*/site-packages/cmake/data/bin/cmake)
  LAUNCHES=$folder/launches PYTHONPATH=$folder SETUPTOOLS_USE_DISTUTILS=$1 "$cmake" -S "$folder/project" -B "$folder/build" \
    -DPython3_EXECUTABLE="$folder/venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 2; }
  echo "$(grep -c True "$folder/launches") $(wc -l <"$folder/launches") $(grep -o 'found [0-9].*' "$folder/log")"
}
local_=$(configure local)
stdlib=$(configure stdlib)
echo "CMake 3.25.2, setuptools 79.0.1, $(python3 --version)"
echo "launches that import setuptools, all launches, and what is found:"
echo "SETUPTOOLS_USE_DISTUTILS=local (the default): $local_"
echo "SETUPTOOLS_USE_DISTUTILS=stdlib:              $stdlib"
[ "${local_%% *}" -ge 2 ] && [ "${stdlib%% *}" = 0 ] && [ "${local_#*found}" = "${stdlib#*found}" ] ||
  { echo "this has changed"; exit 1; }
