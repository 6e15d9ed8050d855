"""Tasks on several processes: one that fails spoils no other, and they end when they are told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from tasks import dies_if_odd, dies_once, interrupts_itself, refuses, until_stopped

from icnet_ros.engine.base import EngineError
from icnet_ros.replay.workers.processes import ProcessPool
from icnet_ros.replay.workers.ray import RayPool, allocate_workers


def test_a_task_whose_process_dies_is_tried_again(tmp_path):
    outcomes = list(ProcessPool(1).run(dies_once, [tmp_path / "a", tmp_path / "b"]))
    assert sorted(outcome.result for outcome in outcomes) == ["a", "b"]


def test_a_task_that_always_kills_its_process_spoils_no_other():
    outcomes = {outcome.task: outcome for outcome in ProcessPool(2).run(dies_if_odd, range(5))}
    assert {task: outcome.result for task, outcome in outcomes.items()} == {0: 0, 1: None, 2: 2, 3: None, 4: 4}
    assert "terminated abruptly" in str(outcomes[1].error)


def test_a_task_that_fails_says_why():
    (outcome,) = ProcessPool(1).run(refuses, [1])
    assert str(outcome.error) == "no such thing"


def test_ctrl_c_is_for_who_started_them():
    (outcome,) = ProcessPool(1).run(interrupts_itself, [1])
    assert outcome.result == "still here"


@pytest.mark.parametrize("kind", [ProcessPool, pytest.param(RayPool, marks=pytest.mark.nightly)])
@pytest.mark.timeout(600)
def test_stopping_ends_what_was_begun_and_begins_nothing_else(tmp_path, kind, monkeypatch):
    if kind is RayPool:
        pytest.importorskip("ray", reason="no ray in this environment")
        monkeypatch.setenv("PYTHONPATH", here())  # its processes are not children of this one
    tasks = [tmp_path / name for name in "abcd"]
    pool = kind("local", 2) if kind is RayPool else kind(2)

    def stop():
        deadline = time.monotonic() + 100
        while sum(task.exists() for task in tasks) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        pool.stop()

    stopper = Thread(target=stop)
    stopper.start()
    outcomes = list(pool.run(until_stopped, tasks))
    stopper.join()
    assert [outcome.result for outcome in outcomes] == ["ended early"] * 2
    assert [task.exists() for task in tasks] == [True, True, False, False]


def here():
    # In `colcon test`, PYTHONPATH begins with a folder that has only icnet_ros.msg.
    return os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    )


def start_pool(tmp_path, work, workers):
    """A process of its own that has `work` done; once a task has written the file that is returned."""
    file = tmp_path / "began"
    (tmp_path / "script.py").write_text(
        f"from pathlib import Path\nfrom tasks import {work}\n"
        "from icnet_ros.replay.workers.processes import ProcessPool\n"
        f"if __name__ == '__main__': list(ProcessPool({workers}).run({work}, [Path('{file}')]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": here()}
    started = subprocess.Popen([sys.executable, tmp_path / "script.py"], env=environment, stderr=subprocess.PIPE)
    while not file.exists():
        assert started.poll() is None
        time.sleep(0.01)
    return started, file


def test_an_interrupt_that_is_not_caught_waits_for_nobody(tmp_path):
    started, _ = start_pool(tmp_path, "hangs", 2)
    started.send_signal(signal.SIGINT)
    errors = started.communicate(timeout=60)[1]
    assert started.returncode == -signal.SIGINT
    assert errors.rstrip().endswith(b"KeyboardInterrupt")


def test_processes_do_not_outlive_who_started_them(tmp_path):
    started, file = start_pool(tmp_path, "until_stopped", 1)
    state = Path("/proc") / file.read_text() / "stat"
    if not state.exists():
        pytest.skip("no /proc here")
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    deadline = time.monotonic() + 20
    while state.exists() and ") Z " not in state.read_text():  # nobody may reap it in a container
        assert time.monotonic() < deadline, "it goes on without its parent"
        time.sleep(0.05)


MACHINES = [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}]


@pytest.mark.parametrize(
    ("workers", "threads", "gpu", "expected"),
    [
        (0, 0, False, (12, 1)),  # as many as there are CPUs
        (3, 0, False, (3, 4)),
        (1, 0, False, (1, 8)),  # no task has more than a machine
        (2, 5, False, (2, 5)),
        (0, 0, True, (1, 8)),  # as many as there are GPUs
        (9, 0, True, (1, 8)),
    ],
)
def test_a_cluster_is_shared_out(workers, threads, gpu, expected):
    assert allocate_workers(MACHINES, workers, threads, gpu=gpu) == expected


def test_a_cluster_without_a_gpu():
    with pytest.raises(EngineError, match="no GPU"):
        allocate_workers(MACHINES[1:], 0, 0, gpu=True)
