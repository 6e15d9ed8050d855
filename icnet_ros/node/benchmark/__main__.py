"""Runs one measurement: `python -m icnet_ros.node.benchmark NAME OPTIONS`."""

import json
import signal
import sys
from importlib import import_module

NAMES = ("transport", "cameras", "deadline", "outputs", "overhead", "rate", "soak")


def main() -> None:
    """Print the result of `measure(**OPTIONS)` of the module NAME as one line of JSON."""
    name, options = sys.argv[1:]
    if name not in NAMES:
        raise SystemExit(f"no measurement {name!r}; there are {', '.join(NAMES)}")
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: end the nodes under test too
        signal.signal(number, lambda *_: sys.exit(1))
    result = import_module(f"icnet_ros.node.benchmark.{name}").measure(**json.loads(options))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
