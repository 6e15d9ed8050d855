#!/usr/bin/env bash
# Runs a command with ROS 2 and icnet_ros in the environment, and with the Fast DDS profile for large images.
set -e
# shellcheck disable=SC1090
source "/opt/ros/$ROS_DISTRO/setup.bash"
if [ -e /opt/icnet_ros/setup.bash ]; then
  # shellcheck disable=SC1091
  source /opt/icnet_ros/setup.bash
fi
profile=/opt/icnet_ros/share/icnet_ros/config/fastdds.xml
case $ROS_DISTRO in
  humble | jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$profile} ;;
  *) export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$profile} ;;
esac
exec "$@"
