"""Many drives, or one: what is to be done, where, and what came of it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.conclude import Told, Verdict, conclude
from icnet_ros.evaluation.drives import Drive
from icnet_ros.evaluation.interrupt import on_interrupt
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.outputs import Outputs
from icnet_ros.evaluation.pool import Pool
from icnet_ros.evaluation.replay import Indexes, Replay, Stopped, by_engine, look_through, merged, replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.evaluation.verdict import versions
from icnet_ros.evaluation.viewer import write_rerun
from icnet_ros.wire.bag import bag_hash, open_bag
from icnet_ros.wire.cdr import WireError

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
    indexes: Indexes
    part: range  # of the selected frames


def run(
    drives: Sequence[Drive],
    model: str,
    engine: str,
    options: EngineOptions,
    outputs: Outputs,
    out: Path,
    told: Told,
    *,
    pool: Callable[[bool], Pool] | None = None,
    resume: bool = True,
    rerun: Path | None = None,
) -> Verdict:
    """Label all drives and write the results of each, and of all together. A drive that fails is reported.

    pool: makes one, for tasks that need a GPU or not. The first Ctrl-C ends the labelling; what there is becomes
    the report. Raises what a drive alone fails of: WireError, TruthError, EngineError.
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
    drives, indexes = _looked_through(drives, told)
    usable = [drive for drive in drives if not drive.problem]
    hashes = {bag: _hash(bag, told) for bag in dict.fromkeys(drive.bag for drive in usable)}
    facts = {drive.name: {**_facts(drive, hashes[drive.bag]), **known} for drive in usable}
    for drive in usable:
        Kept(drive.folder).prepare(_identity(facts[drive.name], outputs), resume=resume)
    wall = None
    if pool is None:
        replays, problems = _one_by_one(usable, indexes, runner, checkpoint, outputs, told)
        runner.close()
    else:
        runner.close()
        gpu = runner.device.startswith("cuda")
        workers = pool(gpu)
        device = options.device if options.device != "auto" else "cuda" if gpu else "cpu"  # the same for all
        options = replace(options, threads=workers.threads, device=workers.device(device))
        frames = {drive.name: len(drive.selection.of(indexes[drive.name].images)) for drive in usable}
        tasks = [
            Task(drive, model, runner.name, options, outputs.confidence, indexes[drive.name], part)
            for drive in usable
            for part in _parts(frames[drive.name], sum(frames.values()), workers.workers)
        ]
        started = perf_counter()
        replays, problems = _pooled(tasks, workers, told)
        wall = perf_counter() - started
    verdict = conclude(drives, replays, problems, facts, indexes, checkpoint.spec, outputs, out, told, wall)
    if rerun is not None:
        drive = drives[0]
        write_rerun(
            replays[drive.name], drive.bag, checkpoint.spec, drive.folder, drive.selection,
            indexes[drive.name].images, rerun,
            lambda done, total: told(f"writing {rerun.name}", done, total),
        )  # fmt: skip
    return verdict


def _one_by_one(
    drives: Sequence[Drive],
    indexes: Mapping[str, Indexes],
    runner: Engine,
    checkpoint: Checkpoint,
    outputs: Outputs,
    told: Told,
) -> Found:
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
                    indexes=indexes[drive.name], confidence=outputs.confidence, stopped=stop.is_set,
                )  # fmt: skip
            except Exception as err:  # whatever it is, the others are not to suffer
                if len(drives) == 1:
                    raise
                problems[drive.name] = str(err) or type(err).__name__
    return replays, problems


def _pooled(tasks: Sequence[Task], pool: Pool, told: Told) -> Found:
    parts: dict[str, list[tuple[int, Replay]]] = {task.drive.name: [] for task in tasks}
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
                parts[name].append((part.start, outcome.result))
    replays: dict[str, Replay] = {}
    for name, found in parts.items():
        if found or name not in problems:
            replays[name] = merged([one for _, one in sorted(found, key=lambda part: part[0])])
            replays[name].done &= not missing[name]
    return replays, problems


def run_task(task: Task, stopped: Stopped) -> Replay:
    """Label a part of a drive in this process, with the engine that it has from the task before."""
    checkpoint, engine = _engine(task.model, task.engine, task.options)
    drive = task.drive
    return replay(
        drive.bag, by_engine(engine), checkpoint.spec.classes, drive.folder, drive.selection, lambda *_: None,
        indexes=task.indexes, part=task.part, confidence=task.confidence, stopped=stopped,
    )  # fmt: skip


@cache
def _engine(model: str, name: str, options: EngineOptions) -> tuple[Checkpoint, Engine]:
    checkpoint = load_model(model)
    return checkpoint, open_engine(name, checkpoint, options)


def _parts(frames: int, total: int, workers: int) -> Iterator[range]:
    """Ranges of frames: four for each worker over all drives, so that none waits long for the last."""
    size = max(SMALLEST_PART, -(-total // (4 * workers)))
    for start in range(0, max(1, frames), size):
        yield range(start, min(start + size, frames))


def _hash(bag: Path, told: Told) -> str:
    return bag_hash(bag, lambda done, total: told(f"hashing {bag.name}, MiB", done, total))


def _looked_through(drives: Sequence[Drive], told: Told) -> tuple[list[Drive], dict[str, Indexes]]:
    """The drives, and what those have that can be used; one of several that cannot has its problem."""
    indexes: dict[str, Indexes] = {}
    known = list(drives)
    for k, drive in enumerate(drives):
        if drive.problem:
            continue
        progress = lambda done, total, name=drive.name: told(f"looking through {name}", done, total)  # noqa: E731
        try:
            with open_bag(drive.bag) as bag:
                indexes[drive.name] = look_through(bag, drive.selection, progress)
        except WireError as err:
            if len(drives) == 1:
                raise
            known[k] = replace(drive, problem=str(err))
    return known, indexes


def _facts(drive: Drive, digest: str) -> dict[str, Any]:
    selection = {name: value for name, value in asdict(drive.selection).items() if value != getattr(Selection(), name)}
    return {"bag": str(drive.bag), "bag_sha256": digest, "selection": selection}


def _identity(facts: dict[str, Any], outputs: Outputs) -> str:
    """What labels depend on; the ground truth is looked at anew each time."""
    camera = facts["selection"].get("image_topic")
    kept = {name: value for name, value in facts.items() if name not in ("bag", "selection", "checkpoint")}
    made = {**kept, "camera": camera, "confidence": outputs.confidence, "versions": versions()}
    return json.dumps(made, sort_keys=True)
