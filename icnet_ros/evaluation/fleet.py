"""Many drives, or one: what is to be done, where, and what came of it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.conclude import Told, Verdict, conclude
from icnet_ros.evaluation.drives import Drive
from icnet_ros.evaluation.interrupt import on_interrupt
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.outputs import Outputs
from icnet_ros.evaluation.pool import Pool
from icnet_ros.evaluation.replay import Replay, Stopped, by_engine, merged, replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.evaluation.verdict import versions
from icnet_ros.evaluation.viewer import write_rerun
from icnet_ros.wire.bag import bag_hash

SMALLEST_PART = 25  # frames; a shorter one costs more to begin than it saves
Found = tuple[dict[str, Replay], dict[str, str]]  # by name of the drive: what was found, and why there is no more


@dataclass(frozen=True)
class Task:
    """A part of a drive, and what to label it with."""

    drive: Drive
    model: str
    engine: str
    options: EngineOptions
    confidence: bool
    part: range


def run(
    drives: Sequence[Drive],
    model: str,
    engine: str,
    options: EngineOptions,
    outputs: Outputs,
    out: Path,
    told: Told,
    *,
    pool: Pool | None = None,
    resume: bool = True,
    rerun: Path | None = None,
) -> Verdict:
    """Label all drives and write the results of each, and of all together. A drive that fails is reported.

    The first Ctrl-C ends the labelling; what there is becomes the report. Raises what a drive alone fails of:
    WireError, TruthError, EngineError.
    """
    checkpoint = load_model(model)
    runner = open_engine(engine, checkpoint, options)  # also makes the files that the workers will find in the cache
    known = {
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": checkpoint.sha256,
        "trained": checkpoint.spec.trained,
        "engine": runner.name,
        "device": runner.device,
        "precision": runner.precision,
        "exit": options.exit,
    }
    usable = [drive for drive in drives if not drive.problem]
    facts = {drive.name: _facts(drive, known, told) for drive in usable}
    for drive in usable:
        Kept(drive.folder).prepare(_identity(facts[drive.name], outputs), resume=resume)
    wall = None
    if pool is None:
        replays, problems = _one_by_one(usable, runner, checkpoint, outputs, told)
        runner.close()
    else:
        runner.close()
        options = replace(options, threads=pool.threads)
        frames = sum(drive.last for drive in usable)
        tasks = [
            Task(drive, model, engine, options, outputs.confidence, part)
            for drive in usable
            for part in _parts(drive.last, frames, pool.workers)
        ]
        started = perf_counter()
        replays, problems = _pooled(tasks, pool, told)
        wall = perf_counter() - started
    verdict = conclude(drives, replays, problems, facts, checkpoint.spec, outputs, out, told, wall)
    if rerun is not None:
        drive = drives[0]
        write_rerun(
            replays[drive.name], drive.bag, checkpoint.spec, drive.folder, drive.selection, rerun,
            lambda done, total: told(f"writing {rerun.name}", done, total),
        )  # fmt: skip
    return verdict


def _one_by_one(drives: Sequence[Drive], runner: Engine, checkpoint: Checkpoint, outputs: Outputs, told: Told) -> Found:
    replays: dict[str, Replay] = {}
    problems: dict[str, str] = {}
    stop = Event()
    with on_interrupt(stop.set):
        for drive in drives:
            if stop.is_set():
                break
            try:
                replays[drive.name] = replay(
                    drive.bag, by_engine(runner), checkpoint.spec.classes, drive.folder, drive.selection,
                    lambda done, total, name=drive.name: told(f"replaying {name}", done, total),  # type: ignore[misc]
                    confidence=outputs.confidence, stopped=stop.is_set,
                )  # fmt: skip
            except (ValueError, EngineError) as err:
                if len(drives) == 1:
                    raise
                problems[drive.name] = str(err)
    return replays, problems


def _pooled(tasks: Sequence[Task], pool: Pool, told: Told) -> Found:
    parts: dict[str, list[tuple[int, Replay]]] = {}
    problems: dict[str, str] = {}
    total, done = sum(len(task.part) for task in tasks), 0
    told("replaying", 0, total)
    missing = Counter(task.drive.name for task in tasks)
    with on_interrupt(pool.stop):
        for outcome in pool.run(run_task, tasks):
            name, part = outcome.task.drive.name, outcome.task.part
            missing[name] -= 1
            done += len(part)
            told("replaying", done, total)
            if outcome.result is None:
                problems[name] = str(outcome.error) or type(outcome.error).__name__
            else:
                parts.setdefault(name, []).append((part.start, outcome.result))
    replays = {
        name: merged([one for _, one in sorted(found, key=lambda part: part[0])]) for name, found in parts.items()
    }
    for name, found in replays.items():
        found.done &= not missing[name]
    return replays, problems


def run_task(task: Task, stopped: Stopped) -> Replay:
    """Label a part of a drive in this process, with the engine that it has from the task before."""
    checkpoint, engine = _engine(task.model, task.engine, task.options)
    drive = task.drive
    return replay(
        drive.bag, by_engine(engine), checkpoint.spec.classes, drive.folder, drive.selection, lambda *_: None,
        part=task.part, confidence=task.confidence, stopped=stopped,
    )  # fmt: skip


@cache
def _engine(model: str, name: str, options: EngineOptions) -> tuple[Checkpoint, Engine]:
    checkpoint = load_model(model)
    return checkpoint, open_engine(name, checkpoint, options)


def _parts(frames: int, total: int, workers: int) -> Iterator[range]:
    """Ranges of frames: four for each worker over all drives, so that none waits long for the last."""
    size = max(SMALLEST_PART, -(-total // (4 * workers)))
    for start in range(0, max(1, frames), size):
        yield range(start, start + size)


def _facts(drive: Drive, known: dict[str, Any], told: Told) -> dict[str, Any]:
    digest = bag_hash(drive.bag, lambda done, total: told(f"hashing {drive.name}, MiB", done, total))
    selection = {name: value for name, value in asdict(drive.selection).items() if value != getattr(Selection(), name)}
    return {"bag": str(drive.bag), "bag_sha256": digest, **known, "selection": selection}


def _identity(facts: dict[str, Any], outputs: Outputs) -> str:
    """What labels depend on; the ground truth is looked at anew each time."""
    camera = facts["selection"].get("image_topic")
    kept = {name: value for name, value in facts.items() if name not in ("bag", "selection")}
    made = {**kept, "camera": camera, "confidence": outputs.confidence, "versions": versions()}
    return json.dumps(made, sort_keys=True)
