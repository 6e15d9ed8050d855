"""Libraries that report their use to their makers do not do so here.

`import openvino` (2026.4) starts a child process that sends an event and writes an id into ~/intel; NNCF and Ray send
events, too. OpenVINO and NNCF go on without the package openvino_telemetry, Ray documents an environment variable.
"""

import os
import sys
from typing import cast


def disable_usage_events() -> None:
    """Call it before openvino, nncf or ray are imported. Whoever has imported openvino_telemetry keeps it."""
    # None: an import of the package raises ImportError, as if it was not installed.
    cast("dict[str, object]", sys.modules).setdefault("openvino_telemetry", None)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
