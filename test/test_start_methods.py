"""Processes start under every start method of multiprocessing: fork up to Python 3.13, forkserver from 3.14 on, spawn.

Under spawn and forkserver a new process imports the main file of the program. `import openvino` starts such a process.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
METHODS = ("fork", "forkserver", "spawn")
# Python runs this module before the program: all that does not choose a start method gets this one.
START_METHOD = "import multiprocessing, os\nmultiprocessing.set_start_method(os.environ['START_METHOD'])\n"
# In place of the programs: a library that starts a process, as OpenVINO does.
PROGRAM = """
import multiprocessing

def main():
    process = multiprocessing.Process(target=print, args=("child ran",))
    process.start()
    process.join()
    print("program ran, child", process.exitcode)
    return 0
"""
POOL = """
import multiprocessing
from math import factorial
from icnet_ros.replay.workers.processes import ProcessPool

def work(task, stopped):
    return factorial(task), multiprocessing.current_process().name

if __name__ == "__main__":
    print(multiprocessing.get_start_method(), sorted(one.result[0] for one in ProcessPool(2).run(work, range(5))))
"""


@pytest.fixture(params=METHODS)
def run(request, tmp_path):
    """Run a Python file in an environment whose default start method is one of METHODS; returns its lines."""
    (tmp_path / "sitecustomize.py").write_text(START_METHOD)

    def run(script, *paths):
        path = os.pathsep.join(map(str, (tmp_path, *paths, *filter(None, sys.path[1:]))))
        environment = {**os.environ, "PYTHONPATH": path, "START_METHOD": request.param}
        done = subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.replace(request.param, "METHOD") for line in done.stdout.splitlines()]

    return run


@pytest.mark.parametrize("script", ["icnet", "segmentation_node", "evaluation_node"])
def test_a_library_that_starts_a_process_does_not_start_the_program_again(run, tmp_path, script):
    (tmp_path / "icnet_ros").mkdir()
    (tmp_path / "icnet_ros" / "__init__.py").touch()
    for module, name in (
        ("entry", script),
        ("node.main", "main"),
        ("node.evaluator", "main"),
        ("command.main", "main"),
    ):
        file = tmp_path / "icnet_ros" / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(PROGRAM.replace("def main", f"def {name}"))
    assert sorted(run(ROOT / "scripts" / script)) == ["child ran", "program ran, child 0"]


def test_worker_processes_run_whatever_the_default_is(run, tmp_path):
    (tmp_path / "program.py").write_text(POOL)
    assert run(tmp_path / "program.py", ROOT) == ["METHOD [1, 1, 2, 6, 24]"]
