#!/usr/bin/env bash
# `import openvino` alone writes an id for its usage statistics into ~/intel and sends an event from a child process, unless
# one of the variables of CI services (CI, ...) is set. Without the package openvino-telemetry, which pip installs with it, it does neither.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check openvino==2026.4.1 openvino-telemetry==2025.2.0 2>/dev/null
imported() {  # HOME: what an import leaves there
  mkdir -p "$1"
  env -i PATH=/usr/bin:/bin HOME="$1" "$work/venv/bin/python" -c '
import sys
children = []
sys.addaudithook(lambda event, _: children.append(event) if event in ("os.fork", "subprocess.Popen", "os.posix_spawn") else None)
import openvino
print("openvino", openvino.__version__, "- child processes started:", len(children))'
  find "$1" -type f -printf '  wrote ~/%P\n'
}
echo "with openvino-telemetry 2025.2.0:"
imported "$work/with" | tee "$work/with.txt"
"$work/venv/bin/pip" uninstall -q -y openvino-telemetry
echo "without it:"
imported "$work/without" | tee "$work/without.txt"
grep -q 'wrote ~/intel/' "$work/with.txt" && ! grep -q wrote "$work/without.txt"
