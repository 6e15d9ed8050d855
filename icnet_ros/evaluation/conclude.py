"""What the replays of all drives amount to: files for each, and for all together."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError
from icnet_ros.evaluation.drives import Drive
from icnet_ros.evaluation.outputs import Outputs, Pictures, write_outputs
from icnet_ros.evaluation.page import write_report
from icnet_ros.evaluation.replay import Indexes, Replay, merged
from icnet_ros.evaluation.verdict import write_verdict
from icnet_ros.wire.cdr import WireError

Told = Callable[[str, int, int], None]  # what is done, how much of how much


@dataclass(frozen=True)
class Verdict:
    """Content of report.json of all drives together, and the page to open first."""

    report: dict[str, Any]
    page: Path


def conclude(
    drives: Sequence[Drive],
    replays: Mapping[str, Replay],
    problems: Mapping[str, str],
    facts: Mapping[str, dict[str, Any]],
    indexes: Mapping[str, Indexes],
    spec: ModelSpec,
    outputs: Outputs,
    out: Path,
    told: Told,
    wall: float | None,
) -> Verdict:
    """Write the results of each drive into its folder, and if there are several those of all into `out`.

    wall: seconds that all took together, None if it was one after the other. Raises EngineError or WireError if
    there is no result at all.
    """
    alone = len(drives) == 1
    listing: list[dict[str, Any]] = []
    every: list[Replay] = []
    for drive in drives:
        problem = drive.problem or problems.get(drive.name, "")
        found = replays.get(drive.name)
        answer = None
        if found is not None:
            found.damage = found.damage or problem
            if alone:
                found.seconds = wall or found.seconds
            else:
                found.rows = [replace(row, drive=drive.name) for row in found.rows]
                found.notes = {note._replace(drive=drive.name) for note in found.notes}
            try:
                answer = _write(drive, found, facts[drive.name], indexes[drive.name], spec, outputs, told)
            except Exception as err:  # whatever it is, the others are not to suffer
                if alone:
                    raise
                found.damage = found.damage or str(err) or type(err).__name__
                with suppress(OSError):
                    answer = write_verdict(found, spec.classes, facts[drive.name], drive.folder)
            if alone and answer:
                return Verdict(answer, out / "report.html")
            every.append(found)
            problem = found.damage or ("" if found.done else "interrupted")
        listing.append(
            {
                "drive": drive.name,
                "folder": drive.folder.name if answer else None,
                "labelled": answer["frames"]["labelled"] if answer else 0,
                "miou": answer["miou"] if answer else None,
                "problem": problem if answer else problem or "interrupted",
            }
        )
    if alone:
        raise EngineError(listing[0]["problem"])
    if not every:
        raise WireError("none of the drives could be replayed: " + "; ".join(entry["problem"] for entry in listing))
    together = merged(every)
    together.seconds = wall or together.seconds
    first = next(iter(facts.values()))  # the same for all but for what is replaced here
    shared = {
        **first,
        "bag": [str(drive.bag) for drive in drives],
        "bag_sha256": [facts[drive.name]["bag_sha256"] if drive.name in facts else None for drive in drives],
        "selection": {name: value for name, value in first["selection"].items() if name != "image_topic"},
    }
    whole = write_verdict(together, spec.classes, shared, out, drives=listing)
    write_report(out / "index.html", f"{len(drives)} drives", whole, together.rows, spec.classes, Pictures())
    return Verdict(whole, out / "index.html")


def _write(
    drive: Drive,
    found: Replay,
    facts: dict[str, Any],
    indexes: Indexes,
    spec: ModelSpec,
    outputs: Outputs,
    told: Told,
) -> dict[str, Any]:
    # Figures first: whoever loses patience with the pictures has them.
    answer = write_verdict(found, spec.classes, facts, drive.folder)
    if not outputs.video:
        (drive.folder / "overlay.mp4").unlink(missing_ok=True)  # of other labels
    pictures = write_outputs(
        found, drive.bag, spec, drive.folder, drive.selection, outputs,
        lambda done, total: told(f"writing {drive.name}", done, total), indexes,
    )  # fmt: skip
    write_report(drive.folder / "report.html", drive.name, answer, found.rows, spec.classes, pictures)
    return answer
