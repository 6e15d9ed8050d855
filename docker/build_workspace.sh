#!/usr/bin/env bash
# Builds a workspace into INSTALL_FOLDER: docker/build_workspace.sh SOURCE_FOLDER INSTALL_FOLDER
set -euo pipefail
source=$1 install=$2
set +u  # the scripts of ROS read unset variables
# shellcheck disable=SC1090
source "/opt/ros/$ROS_DISTRO/setup.bash"
set -u
colcon build --base-paths "$source" --build-base /tmp/build --install-base "$install" --merge-install \
  --packages-select icnet_ros --cmake-args -DBUILD_TESTING=OFF -Wno-dev --no-warn-unused-cli
rm -rf /tmp/build
