#!/usr/bin/env bash
# ament_cmake_core 2.5.4 (ROS 2 Jazzy): under `colcon build --symlink-install`, which sets AMENT_CMAKE_SYMLINK_INSTALL,
# install(DIRECTORY ... PATTERN "__pycache__" EXCLUDE) excludes nothing: ament looks for files of that name, CMake itself leaves
# out the folder. What a package keeps out of its installation is in it then.
set -euo pipefail
command -v cmake >/dev/null || { echo "cmake is needed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  ros-ament-cmake-core==2.5.4 ros-ament-package==0.16.4 catkin-pkg==1.0.0 "setuptools<80"
mkdir -p "$folder/package/scripts/__pycache__"
touch "$folder/package/scripts/run.py" "$folder/package/scripts/__pycache__/run.pyc"
cat >"$folder/package/package.xml" <<'XML'
<package format="3"><name>demo</name><version>1.0.0</version><description>demo</description>
<maintainer email="demo@example.com">demo</maintainer><license>none</license></package>
XML
cat >"$folder/package/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(demo NONE)
find_package(ament_cmake_core REQUIRED)
install(DIRECTORY scripts DESTINATION lib PATTERN "__pycache__" EXCLUDE)
ament_package()
CMAKE
installed() {  # whether symlinks are installed -> what is below lib/
  rm -rf "$folder/build" "$folder/installed"
  cmake -S "$folder/package" -B "$folder/build" -Wno-dev -DCMAKE_PREFIX_PATH="$folder/venv" \
    -DPython3_EXECUTABLE="$folder/venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY \
    -DCMAKE_INSTALL_PREFIX="$folder/installed" -DAMENT_CMAKE_SYMLINK_INSTALL="$1" >"$folder/log" 2>&1 &&
    (cd "$folder/build" && cmake --install .) >>"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 2; }
  (cd "$folder/installed/lib" && find . -name "run.*" | sort | tr '\n' ' ')
}
cmake --version | head -n 1
plain=$(installed 0)
linked=$(installed 1)
echo "ament_cmake_core 2.5.4, plain install: $plain"
echo "ament_cmake_core 2.5.4, symlink install: $linked"
[ "$plain" = "./scripts/run.py " ] && [ "$linked" = "./scripts/__pycache__/run.pyc ./scripts/run.py " ] ||
  { echo "this has changed"; exit 1; }
