# shellcheck shell=bash disable=SC2034 # used by the scripts that source it
# Sourced by the other scripts: which ROS 2, which Python, which folders.
#   DISTRO=jazzy|kilted   ROS 2 from PyPI (ignored where a ROS 2 is sourced); jazzy if Python is 3.10 to 3.12
#   PYTHON=python3.12     the interpreter to build on
#   ICNET_VENV=folder      the Python environment elsewhere than in .venv
# Undo an earlier `source scripts/env.sh` first: it may have been for another distribution.
eval "${ICNET_BEFORE:-}"
# The base interpreter, even if a virtual environment is active.
BASE_PYTHON=$("${PYTHON:-python3}" -c 'import sys; print(sys._base_executable)') ||
  { echo "${PYTHON:-python3} does not run; name a Python >= 3.10: make ... PYTHON=python3.12" >&2; return 1; }
if [ -n "${ROS_DISTRO:-}" ] && [ -z "${ICNET_PYPI_ROS:-}" ]; then
  SYSTEM_ROS=$ROS_DISTRO
  DISTRO=$ROS_DISTRO
  FLAVOUR=system-$ROS_DISTRO
else
  SYSTEM_ROS=
  DISTRO=${DISTRO:-$("$BASE_PYTHON" -c 'import sys; print("jazzy" if sys.version_info < (3, 13) else "kilted")')}
  FLAVOUR=$DISTRO
  case $DISTRO in
    kilted | jazzy) ;;
    *) echo "DISTRO is '$DISTRO'; PyPI has kilted and jazzy. For another one, source its setup.bash first." >&2; return 1 ;;
  esac
fi
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${ICNET_VENV:-$ROOT/.venv/$FLAVOUR}
BUILD=$ROOT/build/$FLAVOUR
