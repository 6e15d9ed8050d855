#!/usr/bin/env bash
# Installs what icnet_ros needs beside ROS 2: rosdep keys through apt, the rest by pip. For images and CI, as root.
#   docker/install_dependencies.sh cpu|cuda|tensorrt|jetson SOURCE_FOLDER [--test]
# ROS_DISTRO must be set and ROS 2 installed under /opt/ros. The variant jetson expects torch in the base image.
set -euo pipefail
variant=$1 source=$2
kinds=(-t buildtool -t build -t exec)
packages=(
  safetensors simplejpeg rosbags mcap zstandard lz4 protobuf av plotly onnx openvino "numba>=0.57" "typer>=0.12" "rich>=13"
)
torch=()  # the node needs it on a GPU only
if [ "${3:-}" = --test ]; then
  kinds+=(-t test)
  packages+=(lightning-fabric torchmetrics)
  torch=(--extra-index-url https://download.pytorch.org/whl/cpu "torch>=2.2")
fi
[ "$ROS_DISTRO" = lyrical ] || [ "$ROS_DISTRO" = rolling ] || packages+=("numpy<2")  # messages are built for numpy 1
case $variant in
  cpu | jetson) ;;
  cuda) torch=("torch>=2.2") ;;
  tensorrt) torch=("torch>=2.2" "tensorrt>=10") ;;
  *) echo "variant '$variant' is none of cpu, cuda, tensorrt, jetson" >&2; exit 2 ;;
esac
export DEBIAN_FRONTEND=noninteractive PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
apt-get update -q
apt-get install -q -y --no-install-recommends python3-pip python3-rosdep
[ -e /etc/ros/rosdep/sources.list.d/20-default.list ] || rosdep init
rosdep update --rosdistro "$ROS_DISTRO"
# RViz is for people, not for robots; torch comes by pip in the variant that was asked for.
rosdep install --from-paths "$source" --ignore-src -y --rosdistro "$ROS_DISTRO" "${kinds[@]}" \
  --skip-keys "rviz2 python3-torch"
python3 -m pip install --quiet "${packages[@]}" ${torch[@]+"${torch[@]}"}
rm -rf /var/lib/apt/lists/*
