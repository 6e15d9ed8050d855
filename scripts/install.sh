# shellcheck shell=bash disable=SC2153 # VENV, DISTRO, ... come from flavour.sh
# Sourced by bootstrap.sh: installs the sets of requirements into $VENV and says how far it is.
CPU_TORCH=https://download.pytorch.org/whl/cpu

fail() { printf '\nbootstrap: %s\n' "$*" >&2; exit 1; }

# step WHAT COMMAND...: says what is done, again every 10 s, and how long it took.
step() {
  local what=$1 started=$SECONDS watcher
  shift
  printf '== %s\n' "$what" >&2
  while sleep 10; do printf '   %d s, .venv has %s\n' $((SECONDS - started)) "$(size)" >&2; done &
  watcher=$!
  # shellcheck disable=SC2064 # this watcher
  trap "kill $watcher 2>/dev/null" EXIT
  "$@"
  kill "$watcher" 2>/dev/null
  trap - EXIT
  printf '   done in %d s, .venv has %s\n' $((SECONDS - started)) "$(size)" >&2
}

size() { du -sm "$VENV" 2>/dev/null | awk '{print $1 " MB"}'; }

pip() {
  "$VENV/bin/python" -c 'import pip' 2>/dev/null || "$VENV/bin/python" -m ensurepip >/dev/null ||
    fail "$VENV has no pip, and $BASE_PYTHON cannot put it there (python -m ensurepip)"
  "$VENV/bin/python" -m pip --disable-pip-version-check "$@"
}

# The pip of the base interpreter, if it has one: it is there before that of $VENV.
early_pip() {
  if "$BASE_PYTHON" -c 'import pip' 2>/dev/null; then
    PIP_REQUIRE_VIRTUALENV=0 "$BASE_PYTHON" -m pip --disable-pip-version-check "$@"
  else
    pip "$@"
  fi
}

pip_install() {
  pip install --no-warn-script-location -q "$@" || fail "pip could not install: $*
  Check the network, or name a mirror through PIP_INDEX_URL."
}

# uv installs many packages at once. It is taken from the machine, or fetched once into build/; pip does without it.
find_uv() {
  UV=$(command -v uv || true)
  [ -n "$UV" ] && return
  UV=$ROOT/build/uv/bin/uv
  [ -x "$UV" ] || (early_pip install -q --target build/uv -r requirements/uv.txt) 2>/dev/null || UV=
}

# locked LOCK: installs a lock, which lists every package with its hashes.
locked() {
  if [ -n "$UV" ]; then
    # What pip takes from its settings is handed to uv, which does not read them.
    local index=${PIP_INDEX_URL:-$(early_pip config get global.index-url 2>/dev/null || true)} settings=()
    [ -z "$index" ] || settings+=("UV_DEFAULT_INDEX=$index")
    [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || settings+=("UV_INDEX=$PIP_EXTRA_INDEX_URL")
    [ -z "${PIP_CERT:-}" ] || settings+=("SSL_CERT_FILE=$PIP_CERT")
    env ${settings[@]+"${settings[@]}"} "$UV" pip install --quiet --python "$VENV/bin/python" --no-deps --require-hashes \
      --requirement "$1" && return
    printf '   uv could not install %s, pip tries it\n' "$1" >&2
  fi
  pip_install --no-deps -r "$1"
}

# The CPU build, a tenth of the size, where there is no NVIDIA GPU and PyTorch's index can be reached. By pip, as its
# settings (a mirror, a folder of wheels) then also hold for this largest of all downloads.
install_torch() {
  local index=()
  if [ ! -e /proc/driver/nvidia/version ] && "$VENV/bin/python" -c "
import urllib.request; urllib.request.urlopen('$CPU_TORCH/torch/', timeout=5).close()" 2>/dev/null; then
    index=(--extra-index-url "$CPU_TORCH")
  fi
  pip_install ${index[@]+"${index[@]}"} "$@" -r requirements/torch.in
}

# With a sourced ROS 2. cv_bridge was compiled against the system's numpy: that one is never replaced.
system_constraints() {
  "$VENV/bin/python" - <<'PY'
try:
    import numpy
    print(f"numpy=={numpy.__version__}")
except ImportError:
    pass
print("setuptools<80  # colcon")
PY
}

install_set() {
  if [ -n "$SYSTEM_ROS" ]; then
    local constraints=(-c "$VENV/constraints.txt")
    [ "$1" != run ] || command -v colcon >/dev/null || pip_install colcon-bash colcon-core colcon-cmake colcon-ros
    step "$VENV: requirements of set $1" pip_install "${constraints[@]}" -r "requirements/$1.in"
    [ "$1" != train ] || step "$VENV: torch" install_torch "${constraints[@]}"
  else
    local lock=requirements/lock-$DISTRO-$1.txt
    find_uv
    step "$VENV: set $1, $(grep -c == "$lock") packages" locked "$lock"
    case $1 in
      run) "$VENV/bin/python" scripts/repair_wheels.py ;;
      train) step "$VENV: torch" install_torch ;;
    esac
  fi
}
