"""Compiles the CPU kernels into numba's cache: `python -m icnet_ros.engine.kernels.compile [KERNEL ...]`.

To be called when the package is built: beside the installed files, if they are writeable, lies what no robot then has
to compile while frames wait. Otherwise, an engine does it when it is opened, see `LoadedKernels`.
"""

import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Frame
from icnet_ros.engine.kernels import groups, normalise, quantise, upsample

PACKAGES = Path(__file__).absolute().parents[3]  # children import this package, not one in the working directory
SIZE = 4, 4
LOGITS = np.zeros((2, 2, 3), np.float32)
FRAME = Frame(np.zeros((*SIZE, 3), np.uint8))
SPEC = ModelSpec(ClassTable("two", ("road", "car"), ((0, 0, 0), (1, 1, 1))))
LOADING = threading.Lock()  # numba without OpenMP and TBB ends the process if two threads run parallel kernels
GROUP_OF, IDS = np.zeros(3, np.int64), np.zeros(1, np.uint8)


def _run_normalise() -> None:
    normalise.normalise([FRAME], SPEC, SIZE, planar=True)


def _run_quantise() -> None:
    ones = np.ones(3, np.float32)
    quantise.quantise([FRAME], SPEC, SIZE, quantise.Quantiser(ones, ones, np.int8))


def _run_points() -> None:
    from icnet_ros.wire.cloud import encode_cloud
    from icnet_ros.wire.image import make_header

    plane = np.zeros(SIZE, np.uint8)
    depth, rgb = np.ones(SIZE, np.float32), np.zeros((*SIZE, 3), np.uint8)
    encode_cloud(make_header(0, ""), depth, np.eye(3).reshape(-1), rgb, plane, plane)


def _run_ground() -> None:
    from icnet_ros.ground.camera import GroundCamera
    from icnet_ros.ground.costs import ClassCosts
    from icnet_ros.ground.pose import pose_of
    from icnet_ros.ground.shapes import GridShape, ScanShape
    from icnet_ros.ground.view import GroundSettings, GroundView

    settings = GroundSettings(GridShape(0.5, 8, 8), ScanShape(beams=8), ClassCosts((0, 100), (False, True)))
    view = GroundView(GroundCamera(*SIZE, (2.0, 2.0), (1.5, 1.5)), pose_of(1.0), settings)
    view.look(np.zeros(SIZE, np.uint8))
    view.cells()
    view.ranges()


# name -> calls the kernel once, as the package calls it.
KERNELS: dict[str, Callable[[], Any]] = {
    "labels": lambda: upsample.label_map(LOGITS, *SIZE),
    "normalise": _run_normalise,
    "quantise": _run_quantise,
    "confidence": lambda: upsample.label_and_confidence(LOGITS, *SIZE),
    "groups": lambda: groups.group_map(LOGITS, GROUP_OF, IDS, *SIZE, confidence=False),
    "points": _run_points,
    "ground": _run_ground,
}


def dispatchers(name: str) -> list[Any]:
    """The numba functions of a kernel."""
    if name == "points":
        from icnet_ros.wire import cloud

        return [cloud._fill]  # noqa: SLF001  compiled ahead, not called
    if name == "ground":
        from icnet_ros.ground import kernels

        return [kernels.march, kernels.fill_cells, kernels.measure_beams]
    found: dict[str, list[Any]] = {
        "labels": [upsample._label],  # noqa: SLF001
        "normalise": [normalise._planes],  # noqa: SLF001
        "quantise": [quantise._quantise],  # noqa: SLF001
        "confidence": [upsample._label_with_confidence],  # noqa: SLF001
        "groups": [groups._sum_channels],  # noqa: SLF001
    }
    return found[name]


class LoadedKernels:
    """Loads kernels on another thread, while the network is read and compiled.

    If they are not in numba's cache yet, processes of their own compile them: this one stays smaller by what the
    compiler takes, and two cores are used.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._thread = threading.Thread(target=self._load, name="kernels", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when they are loaded."""
        self._thread.join()

    def _load(self) -> None:
        with LOADING:
            self._load_alone()

    def _load_alone(self) -> None:
        _forget_stale(self._names)
        if missing := [name for name in self._names if not _is_cached(name)]:
            with suppress(OSError):  # no process can be started
                compile_kernels(missing, lambda _: None)
        upsample.use_threads(1)  # of this thread
        for name in self._names:  # compiled here if that failed
            KERNELS[name]()


@cache
def loaded(*names: str) -> LoadedKernels:
    """Kernels that are loaded once in this process."""
    return LoadedKernels(names)


def compile_kernels(names: Sequence[str], report: Callable[[str], None]) -> bool:
    """Compile kernels in two processes, of which each gets every second one.

    report: called with a line for each kernel. Returns whether all could be compiled.
    """
    parts = [part for part in (names[::2], names[1::2]) if part]
    command = [sys.executable, "-m", "icnet_ros.engine.kernels.compile", "--here"]
    environment = {"NUMBA_OPT": "2", **os.environ}  # compiles in 0.8 of the time of level 3; the kernels are as fast
    options: dict[str, Any] = {"cwd": PACKAGES, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, *part], env=environment, **options) for part in parts]
    threads = [threading.Thread(target=_forward, args=(process.stdout, report)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = [process.wait() for process in processes]
    return not any(codes)


def _forward(lines: Any, report: Callable[[str], None]) -> None:
    for line in lines:
        report(line.rstrip())


def _cached(kernel: Any) -> list[Path]:
    """Files of numba's cache that say what it has of a kernel; numba itself finds out whether it is the right one."""
    version = sysconfig.get_config_var("py_version_nodot")
    place = f"{kernel.py_func.__name__}-{kernel.py_func.__code__.co_firstlineno}"
    return list(Path(kernel.stats.cache_path).glob(f"*.{place}.py{version}*.nbi"))


def _is_cached(name: str) -> bool:
    """Whether the cache has a version of the kernel."""
    return all(map(_cached, dispatchers(name)))


def _forget_stale(names: Sequence[str]) -> None:
    """Remove from the cache what is older than the kernels' sources.

    numba looks at the file of the kernel only, not at those of the functions that it calls.
    """
    newest = max(file.stat().st_mtime for file in Path(__file__).parent.glob("*.py"))
    own = (one for name in names for one in dispatchers(name) if one.py_func.__module__.startswith(__package__))
    for index in (index for one in own for index in _cached(one)):
        with suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


def _compile_here(names: Sequence[str]) -> None:
    _forget_stale(names)
    for name in names:
        started = perf_counter()
        KERNELS[name]()
        compiled = any(one.stats.cache_misses for one in dispatchers(name))
        how = f"compiled in {perf_counter() - started:.1f} s" if compiled else "in the cache"
        print(f"kernel {name}: {how}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Compile the kernels that are named, or all of them; exit code 1 if one cannot be compiled."""
    here = arguments[:1] == ["--here"]
    names = list(arguments[1:] if here else arguments) or list(KERNELS)
    if unknown := [name for name in names if name not in KERNELS]:
        print(f"no kernel {unknown[0]!r}; there are {', '.join(KERNELS)}", file=sys.stderr)
        return 2
    if here:
        _compile_here(names)
        return 0
    return int(not compile_kernels(names, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
