"""Processes in which packages cannot be imported, as if they were not installed."""

import os


def environment(folder, *modules, **variables):
    """Variables for a process and its children; the code that blocks `modules` is written into `folder`."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables}
