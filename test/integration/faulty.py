"""The node with an engine torch that does what the file $FAULT says: fail, break, exit, hang or be slow."""

import os
import time
from pathlib import Path

from icnet_ros.engine.backends.torch import TorchEngine
from icnet_ros.engine.base import EngineError
from icnet_ros.node.main import main

FAULT = Path(os.environ["FAULT"])
infer = TorchEngine._infer


def faulty(self, batch):
    what = FAULT.read_text(encoding="utf-8") if FAULT.exists() else ""
    if what == "once":
        FAULT.unlink()
    if what in ("once", "fail"):
        raise EngineError("the device is gone")
    if what == "break":
        raise RuntimeError("an error nobody thought of")
    if what == "exit":
        raise SystemExit(3)
    if what == "slow":
        time.sleep(1.0)
    while what == "hang" and FAULT.exists():
        time.sleep(0.05)
    return infer(self, batch)


TorchEngine._infer = faulty

if __name__ == "__main__":
    raise SystemExit(main())
