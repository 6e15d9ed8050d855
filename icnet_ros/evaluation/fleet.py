"""Many drives, or one: which there are, what is to be done, and what it amounts to."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from glob import glob
from pathlib import Path
from time import perf_counter
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.frames import write_table
from icnet_ros.evaluation.outputs import Outputs, Pictures, write_outputs
from icnet_ros.evaluation.page import write_report
from icnet_ros.evaluation.pool import Pool
from icnet_ros.evaluation.replay import Replay, Selection, by_engine, merged, prepare, replay
from icnet_ros.evaluation.verdict import report
from icnet_ros.evaluation.viewer import write_rerun
from icnet_ros.wire.bag import bag_hash, open_bag
from icnet_ros.wire.cdr import WireError

SMALLEST_PART = 25  # frames; a shorter one costs more to begin than it saves
Told = Callable[[str, int, int], None]  # what is done, how much of how much


@dataclass(frozen=True)
class Drive:
    """One camera of one bag. folder: where its results go. problem: why there will be none, "" otherwise."""

    name: str
    bag: Path
    folder: Path
    selection: Selection
    frames: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """A part of a drive, and what to label it with; None for all of it."""

    drive: Drive
    model: str
    engine: str
    options: EngineOptions
    confidence: bool
    part: range | None = None


@dataclass(frozen=True)
class Verdict:
    """Content of report.json of all drives together, and the page to open first."""

    report: dict[str, Any]
    page: Path


def find_drives(
    bags: Sequence[Path], pattern: str, out: Path, selection: Selection, cameras: Sequence[str]
) -> list[Drive]:
    """All cameras, or those whose topics are named, of these bags and of those that match the pattern.

    One drive alone has its results in `out`, several have a folder each below it. Raises WireError if no bag
    matches, or if the only one cannot be read.
    """
    paths = [*bags, *(_bag_of(Path(name)) for name in sorted(glob(pattern, recursive=True)))]  # noqa: PTH207  absolute ones, too
    paths = list(dict.fromkeys(paths))
    if not paths:
        raise WireError(f"no bag matches {pattern!r}" if pattern else "name a bag, or several with --fleet 'PATTERN'")
    found: list[Drive] = []
    for name, path in zip(_names(paths), paths, strict=True):
        try:
            with open_bag(path) as bag:
                known = selection.truth_topic
                named = list(dict.fromkeys(bag.image_topic(camera) for camera in cameras))
                topics = named or bag.cameras(known) or [bag.image_topic("", known)]
        except WireError as err:
            if len(paths) == 1:
                raise
            found.append(Drive(name, path, out / name, selection, problem=str(err)))
            continue
        for topic in topics:
            label = name if len(topics) == 1 else f"{name}{topic.base.replace('/', '.')}"
            found.append(Drive(label, path, out / label, replace(selection, image_topic=topic.name), topic.messages))
    return [replace(found[0], folder=out)] if len(found) == 1 else found


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
    workers: int = 1,
    resume: bool = True,
    rerun: Path | None = None,
) -> Verdict:
    """Label all drives and write the results of each, and of all together. A drive that fails is reported.

    Raises what a drive alone fails of: WireError, TruthError, EngineError.
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
    facts = {drive.name: _facts(drive, known, told) for drive in drives if not drive.problem}
    for drive in drives:
        if not drive.problem:
            prepare(drive.folder, _identity(facts[drive.name], outputs), resume=resume)
    usable = [drive for drive in drives if not drive.problem]
    if pool is None:
        tasks = [Task(drive, model, engine, options, outputs.confidence) for drive in usable]
        parts, problems = _one_by_one(tasks, runner, checkpoint, told)
        wall = None
        runner.close()
    else:
        runner.close()
        options = replace(options, threads=options.threads or max(1, (os.cpu_count() or 1) // workers))
        frames = sum(_last(drive) for drive in usable)
        tasks = [
            Task(drive, model, engine, options, outputs.confidence, part)
            for drive in usable
            for part in _parts(_last(drive), frames, workers)
        ]
        started = perf_counter()
        parts, problems = _pooled(tasks, pool, told)
        wall = perf_counter() - started
    verdict = _conclude(drives, parts, problems, facts, checkpoint, outputs, out, told, wall)
    if rerun is not None:
        drive = drives[0]
        write_rerun(
            merged(parts[drive.name]), drive.bag, checkpoint.spec, drive.folder, drive.selection, rerun,
            lambda done, total: told(f"writing {rerun.name}", done, total),
        )  # fmt: skip
    return verdict


def _one_by_one(
    tasks: Sequence[Task], runner: Engine, checkpoint: Checkpoint, told: Told
) -> tuple[dict[str, list[Replay]], dict[str, str]]:
    parts: dict[str, list[Replay]] = {}
    problems: dict[str, str] = {}
    for task in tasks:
        drive = task.drive
        try:
            found = replay(
                drive.bag, by_engine(runner), checkpoint.spec.classes, drive.folder, drive.selection,
                lambda done, total, name=drive.name: told(f"replaying {name}", done, total),  # type: ignore[misc]
                confidence=task.confidence,
            )  # fmt: skip
        except (ValueError, EngineError) as err:
            if len(tasks) == 1:
                raise
            problems[drive.name] = str(err)
            continue
        parts[drive.name] = [found]
        if not found.done:
            break
    return parts, problems


def _pooled(tasks: Sequence[Task], pool: Pool, told: Told) -> tuple[dict[str, list[Replay]], dict[str, str]]:
    found: dict[str, list[tuple[int, Replay]]] = {}
    problems: dict[str, str] = {}
    total, done = sum(len(task.part or ()) for task in tasks), 0
    told("replaying", 0, total)
    missing = Counter(task.drive.name for task in tasks)
    with suppress(KeyboardInterrupt), closing(pool.run(run_task, tasks)) as outcomes:
        for outcome in outcomes:
            name, part = outcome.task.drive.name, outcome.task.part or range(0)
            missing[name] -= 1
            done += len(part)
            told("replaying", done, total)
            if outcome.result is None:
                problems[name] = str(outcome.error) or type(outcome.error).__name__
            else:
                found.setdefault(name, []).append((part.start, outcome.result))
    for name in +missing:
        problems.setdefault(name, "interrupted")
    in_order = {name: [one for _, one in sorted(parts, key=lambda part: part[0])] for name, parts in found.items()}
    return in_order, problems


def run_task(task: Task) -> Replay:
    """Label a part of a drive in this process, with the engine that it has from the task before."""
    checkpoint, engine = _engine(task.model, task.engine, task.options)
    drive = task.drive
    return replay(
        drive.bag, by_engine(engine), checkpoint.spec.classes, drive.folder, drive.selection, lambda *_: None,
        part=task.part, confidence=task.confidence,
    )  # fmt: skip


@cache
def _engine(model: str, name: str, options: EngineOptions) -> tuple[Checkpoint, Engine]:
    checkpoint = load_model(model)
    return checkpoint, open_engine(name, checkpoint, options)


def _last(drive: Drive) -> int:
    """The number of no frame that is asked for is higher."""
    limit = drive.selection.limit * drive.selection.stride
    return min(drive.frames, limit) if limit and not drive.selection.start else drive.frames


def _parts(frames: int, total: int, workers: int) -> Iterator[range]:
    """Ranges of frames: four for each worker over all drives, so that none waits long for the last."""
    size = max(SMALLEST_PART, -(-total // (4 * workers)))
    for start in range(0, max(1, frames), size):
        yield range(start, start + size)


def _conclude(
    drives: Sequence[Drive],
    parts: dict[str, list[Replay]],
    problems: dict[str, str],
    facts: dict[str, dict[str, Any]],
    checkpoint: Checkpoint,
    outputs: Outputs,
    out: Path,
    told: Told,
    wall: float | None,
) -> Verdict:
    """wall: seconds that all parts took together, None if they were one after the other."""
    alone = len(drives) == 1
    reports: list[dict[str, Any]] = []
    listing: list[dict[str, Any]] = []
    every: list[Replay] = []
    for drive in drives:
        problem = drive.problem or problems.get(drive.name, "")
        if drive.name not in parts:
            listing.append(_entry(drive, None, problem or "interrupted"))
            continue
        found = merged(parts[drive.name])
        if problem:
            found.damage = found.damage or problem
        if not alone:
            found.rows = [replace(row, drive=drive.name) for row in found.rows]
        if alone:
            found.seconds = wall or found.seconds
        told_now = lambda done, total, name=drive.name: told(f"writing {name}", done, total)  # noqa: E731
        # Figures first: whoever loses patience with the pictures has them.
        answer = write_verdict(found, checkpoint.spec.classes, facts[drive.name], drive.folder)
        reports.append(answer)
        pictures = write_outputs(found, drive.bag, checkpoint.spec, drive.folder, drive.selection, outputs, told_now)
        page = drive.folder / "report.html"
        write_report(page, drive.name, answer, found.rows, checkpoint.spec.classes, pictures)
        listing.append(_entry(drive, answer, problem or found.damage))
        every.append(found)
    if alone:
        if not reports:
            raise EngineError(listing[0]["problem"])
        return Verdict(reports[0], out / "report.html")
    if not every:
        raise WireError("none of the drives could be replayed: " + "; ".join(entry["problem"] for entry in listing))
    together = merged(every)
    together.seconds = wall or together.seconds
    first = next(iter(facts.values()))
    names = {"bag": [str(drive.bag) for drive in drives], "bag_sha256": [one["bag_sha256"] for one in facts.values()]}
    classes = checkpoint.spec.classes
    whole = write_verdict(together, classes, {**first, **names}, out, drives=listing)
    write_report(out / "index.html", f"{len(drives)} drives", whole, together.rows, classes, Pictures())
    return Verdict(whole, out / "index.html")


def write_verdict(
    found: Replay, classes: ClassTable, facts: dict[str, Any], out: Path, *, drives: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Write OUT/frames.csv and OUT/report.json; the content of report.json."""
    out.mkdir(parents=True, exist_ok=True)
    answer = report(found, classes, facts)
    if drives:
        answer["drives"] = list(drives)
        answer["complete"] &= not any(entry["problem"] for entry in drives)
    write_table(out / "frames.csv", found.rows, classes.names)
    (out / "report.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    return answer


def _entry(drive: Drive, answer: dict[str, Any] | None, problem: str) -> dict[str, Any]:
    return {
        "drive": drive.name,
        "folder": drive.folder.name if answer else None,
        "labelled": answer["frames"]["labelled"] if answer else 0,
        "miou": answer["miou"] if answer else None,
        "problem": problem,
    }


def _facts(drive: Drive, known: dict[str, Any], told: Told) -> dict[str, Any]:
    digest = bag_hash(drive.bag, lambda done, total: told(f"hashing {drive.name}, MiB", done, total))
    selection = {name: value for name, value in asdict(drive.selection).items() if value != getattr(Selection(), name)}
    return {"bag": str(drive.bag), "bag_sha256": digest, **known, "selection": selection}


def _identity(facts: dict[str, Any], outputs: Outputs) -> str:
    """What labels depend on; the ground truth is looked at anew each time."""
    camera = facts["selection"].get("image_topic")
    kept = {name: value for name, value in facts.items() if name not in ("bag", "selection")}
    return json.dumps({**kept, "camera": camera, "confidence": outputs.confidence}, sort_keys=True)


def _bag_of(path: Path) -> Path:
    """The bag that a file belongs to."""
    return path.parent if path.is_file() and (path.parent / "metadata.yaml").exists() else path


def _names(paths: Sequence[Path]) -> list[str]:
    """Short and different ones."""
    short = [path.stem if path.is_file() else path.name for path in paths]
    if len(set(short)) == len(short):
        return short
    full = [path.absolute().with_suffix("") if path.is_file() else path.absolute() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in full]))
    return [".".join(path.relative_to(root).parts) for path in full]
