"""Replay of one or more drives, one after the other or shared among workers."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Event
from time import perf_counter

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.checkpoint.ladder import networks_of, read_ladder
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.artefacts.int8 import int8_path
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.files import read_bytes
from icnet_ros.replay.drive_index import DriveIndex, index_drive
from icnet_ros.replay.drives import Drive
from icnet_ros.replay.labelling import DamagedImages, engine_predictor
from icnet_ros.replay.metadata import RunMetadata, versions
from icnet_ros.replay.replay_drive import replay_drive
from icnet_ros.replay.results.result import ReplayResult, merge_results
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.selection import Selection
from icnet_ros.replay.workers.interrupt import on_interrupt
from icnet_ros.replay.workers.pool import WorkerPool
from icnet_ros.wire.bag import bag_hash, open_bag
from icnet_ros.wire.cdr import WireError

MIN_PART = 25  # frames; starting a smaller part costs more than it saves
Progress = Callable[[str, int, int], None]  # (activity, done, total)


@dataclass(frozen=True)
class ReplaySettings:
    """How drives are replayed.

    confidence: also store confidence maps. resume: reuse the stored results of a run with the same settings. damaged:
    see DamagedImages. sha256: of the checkpoint, if processes are to check it. pool: creates the worker pool; its
    argument is whether tasks need a GPU. None: replay in this process.
    """

    inference: InferenceSettings = field(default_factory=InferenceSettings)
    confidence: bool = False
    resume: bool = True
    damaged: DamagedImages = "fail"
    sha256: str = ""
    pool: Callable[[bool], WorkerPool] | None = None


@dataclass
class DriveResult:
    """Outcome of the replay of a drive.

    result: None if the replay failed. error: why it failed or is incomplete, "" otherwise. metadata: bag, checkpoint,
    engine and selection that the labels are from.
    """

    drive: Drive
    result: ReplayResult | None = None
    index: DriveIndex | None = None
    metadata: RunMetadata = field(default_factory=RunMetadata)
    error: str = ""
    groups: LabelGroups | None = None


@dataclass(frozen=True)
class ReplayRun:
    """All drives of a replay. wall_s: total seconds on a worker pool, None if they ran one after the other."""

    drives: Sequence[DriveResult]
    spec: ModelSpec
    wall_s: float | None = None


@dataclass(frozen=True)
class Task:
    """A part of a drive, with the settings to replay it."""

    drive: Drive
    index: DriveIndex
    settings: ReplaySettings
    part: range  # of the selected frames


def replay_drives(drives: Sequence[Drive], settings: ReplaySettings, progress: Progress) -> ReplayRun:
    """Label all drives into their folders. If one of several fails, its `error` is set and the others continue.

    The first Ctrl-C stops the replay and returns the results so far. The failure of a single drive is raised:
    WireError, GroundTruthError, EngineError.
    """
    inference, options = settings.inference, settings.inference.options
    checkpoint = inference.load()
    engine = inference.open(checkpoint)  # also makes the files that the workers will find in the cache
    groups = inference.groups(checkpoint.spec)
    results = [DriveResult(drive, error=drive.error, groups=groups) for drive in drives]
    usable = [one for one in results if not one.error and _index(one, progress, alone=len(drives) == 1)]
    hashes = {bag: _hash(bag, progress) for bag in dict.fromkeys(one.drive.bag for one in usable)}
    for one in usable:
        one.metadata = {
            **_selected(one.drive, hashes[one.drive.bag]),
            "checkpoint": checkpoint.name,
            "checkpoint_sha256": checkpoint.sha256,
            "trained": checkpoint.spec.trained,
            "engine": engine.name,
            "device": engine.device,
            "precision": engine.precision,
            "exit": options.exit,
            **_networks(checkpoint, engine.precision, options.exit),
            **_adaptation(options, groups),
        }
        if settings.damaged != "fail":
            one.metadata["damaged_images"] = settings.damaged
        made_with = _made_with(one.metadata, confidence=settings.confidence)
        ResultStore(one.drive.folder).prepare(made_with, resume=settings.resume)
    if settings.pool is None:
        _one_by_one(usable, engine, settings, progress)
        engine.close()
        return ReplayRun(results, engine.spec)
    engine.close()
    gpu = engine.device.startswith("cuda")
    pool = settings.pool(gpu)
    device = options.device if options.device != "auto" else "cuda" if gpu else "cpu"  # the same for all
    on_workers = inference.on(engine.name, replace(options, threads=pool.threads, device=pool.device(device)))
    shared = replace(settings, inference=on_workers, sha256=checkpoint.sha256, pool=None)
    started = perf_counter()
    _pooled(usable, shared, pool, progress)
    return ReplayRun(results, engine.spec, perf_counter() - started)


def _one_by_one(
    results: Sequence[DriveResult],
    engine: Engine,
    settings: ReplaySettings,
    progress: Progress,
) -> None:
    stop = Event()
    with on_interrupt(stop.set):
        for one in results:
            if stop.is_set():
                break
            drive = one.drive
            try:
                one.result = replay_drive(
                    drive.bag, engine_predictor(engine), engine.spec.classes, drive.folder, drive.selection,
                    lambda done, total, name=drive.name: progress(f"replaying {name}", done, total),  # type: ignore[misc]
                    index=one.index, confidence=settings.confidence, should_stop=stop.is_set,
                    groups=one.groups, damaged=settings.damaged,
                )  # fmt: skip
            except Exception as err:  # any failure: the other drives must still be replayed
                if len(results) == 1:
                    raise
                one.error = str(err) or type(err).__name__


def _pooled(results: Sequence[DriveResult], settings: ReplaySettings, pool: WorkerPool, progress: Progress) -> None:
    frames = {one.drive.name: len(one.drive.selection.of(one.index.images)) for one in results if one.index}
    total, done = sum(frames.values()), 0
    tasks = [
        Task(one.drive, one.index, settings, part)
        for one in results
        if one.index is not None
        for part in _parts(frames[one.drive.name], total, pool.workers, _key_frames(one.drive, one.index))
    ]
    parts: dict[str, list[tuple[int, ReplayResult]]] = {task.drive.name: [] for task in tasks}
    errors: dict[str, str] = {}
    progress("replaying", 0, total)
    missing = Counter(task.drive.name for task in tasks)
    with on_interrupt(pool.stop):
        for outcome in pool.run(run_task, tasks):
            name, part = outcome.task.drive.name, outcome.task.part
            missing[name] -= 1
            done += len(part)
            progress("replaying", done, total)
            if outcome.result is None:
                errors[name] = str(outcome.error) or type(outcome.error).__name__
            else:
                parts[name].append((part.start, outcome.result))
    for one in results:
        name = one.drive.name
        one.error = errors.get(name, "")
        if parts[name] or not one.error:
            one.result = merge_results([part for _, part in sorted(parts[name], key=lambda entry: entry[0])])
            one.result.completed &= not missing[name]


def run_task(task: Task, should_stop: Callable[[], bool]) -> ReplayResult:
    """Label a part of a drive in this process; the engine is cached between tasks."""
    settings, drive = task.settings, task.drive
    checkpoint, engine = _opened(settings.inference)
    if checkpoint.sha256 != settings.sha256:
        raise EngineError(f"{checkpoint.name} was replaced while the replay was running: start it again")
    return replay_drive(
        drive.bag, engine_predictor(engine), engine.spec.classes, drive.folder, drive.selection, lambda *_: None,
        index=task.index, part=task.part, confidence=settings.confidence, should_stop=should_stop,
        groups=settings.inference.groups(checkpoint.spec), damaged=settings.damaged,
    )  # fmt: skip


@cache
def _opened(inference: InferenceSettings) -> tuple[Checkpoint, Engine]:
    checkpoint = inference.load()
    return checkpoint, inference.open(checkpoint)


def _parts(frames: int, total: int, workers: int, starts: Sequence[int] | None = None) -> Iterator[range]:
    """Ranges of frames, about four per worker over all drives, to balance the load.

    starts: where a part may begin, None: anywhere.
    """
    size = max(MIN_PART, -(-total // (4 * workers)))
    start = 0
    while start < max(1, frames):
        stop = start + size
        if starts is not None:
            stop = next((one for one in starts if one >= stop), frames)
        yield range(start, min(stop, frames))
        start = stop


def _key_frames(drive: Drive, index: DriveIndex) -> list[int] | None:
    """Places in the selection before which a key frame of a video comes; None if it is no video."""
    if index.images.keys is None:
        return None
    selected = drive.selection.of(index.images)
    before = [bisect_right(index.images.keys, number) for number in selected]
    return [place for place in range(1, len(before)) if before[place] > before[place - 1]]


def _hash(bag: Path, progress: Progress) -> str:
    return bag_hash(bag, lambda done, total: progress(f"hashing {bag.name}, MiB", done, total))


def _index(one: DriveResult, progress: Progress, *, alone: bool) -> bool:
    """Index a drive. On failure, raise WireError if it is the only drive, else set its error and return False."""
    try:
        with open_bag(one.drive.bag) as bag:
            what = f"indexing {one.drive.name}"
            one.index = index_drive(bag, one.drive.selection, lambda done, total: progress(what, done, total))
    except WireError as err:
        if alone:
            raise
        one.error = str(err)
    return not one.error


def _selected(drive: Drive, digest: str) -> RunMetadata:
    selection = {name: value for name, value in asdict(drive.selection).items() if value != getattr(Selection(), name)}
    return {"bag": str(drive.bag), "bag_sha256": digest, "selection": selection}


def _adaptation(options: EngineOptions, groups: LabelGroups | None) -> RunMetadata:
    """Groups, rotation, mask and the coarse branch, as far as they are used; a hash stands for the content of files."""
    used: RunMetadata = {}
    if groups is not None:
        content = json.dumps([groups.classes.to_dict(), groups.group_of])
        used["label_groups"] = options.label_groups
        used["label_groups_sha256"] = sha256(content.encode()).hexdigest()
    if options.rotate:
        used["rotate"] = options.rotate
    if options.coarse_branch_interval:
        used["coarse_branch_interval"] = options.coarse_branch_interval
    if options.mask:
        content_of_mask = read_bytes(Path(options.mask).expanduser())
        used["mask"], used["mask_sha256"] = options.mask, sha256(content_of_mask).hexdigest()
    return used


def _networks(checkpoint: Checkpoint, precision: str, exit_: str) -> RunMetadata:
    """Hashes of the int8 files, as `icnet quantize` may write others, and of a second network in the ladder."""
    used: RunMetadata = {}
    networks = networks_of(checkpoint, read_ladder(checkpoint.spec)) if exit_ == "auto" else {"": checkpoint}
    if second := {name: network.sha256 for name, network in networks.items() if name}:
        used["ladder_sha256"] = second
    if precision == "int8":
        exits = checkpoint.spec.exits if exit_ == "auto" else [exit_]
        files = [int8_path(one, exit_) for one in networks.values() if one.path is not None for exit_ in exits]
        used["int8_sha256"] = sha256(b"".join(read_bytes(file) for file in files if file.exists())).hexdigest()
    return used


def _made_with(metadata: RunMetadata, *, confidence: bool) -> str:
    """Everything the labels depend on, as one line of JSON. Not the ground truth, which is read on every run."""
    camera = metadata["selection"].get("image_topic")
    inputs = {name: value for name, value in metadata.items() if name not in ("bag", "selection", "checkpoint")}
    return json.dumps({**inputs, "camera": camera, "confidence": confidence, "versions": versions()}, sort_keys=True)
