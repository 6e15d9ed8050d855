# shellcheck shell=bash
# `source scripts/env.sh` after `make build`: this bash then has ROS 2, `icnet` and icnet_ros.
source "$(dirname "${BASH_SOURCE[0]}")/flavour.sh" || return 1
ICNET_BEFORE=$(
  for name in PATH LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH; do
    if [ -n "${!name+set}" ]; then printf 'export %s=%q; ' "$name" "${!name}"; else printf 'unset %s; ' "$name"; fi
  done
)
export ICNET_BEFORE
source "$VENV/bin/activate"
if [ -z "$SYSTEM_ROS" ]; then
  # As /opt/ros/*/setup.bash would set; the wheels have the layout of such a prefix.
  export ICNET_PYPI_ROS=1 ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO=$DISTRO
  export AMENT_PREFIX_PATH=$VENV CMAKE_PREFIX_PATH=$VENV
  export RMW_IMPLEMENTATION=${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}
else
  # `ros2` is run by the system's Python, and its launch files need the packages of $VENV.
  PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  export PYTHONPATH
fi
if [ -e "$BUILD/install/local_setup.bash" ]; then
  nounset=$(set +o | grep nounset)
  set +u  # colcon's scripts read unset variables
  source "$BUILD/install/local_setup.bash"
  eval "$nounset"
fi
