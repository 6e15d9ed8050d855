"""How long the way from a fresh clone to a labelled drive takes, and what each set of packages weighs.

python scripts/setup_figures.py [--repeat N] [REVISION ...]

Clones each revision (default: HEAD) N times, alternately, into a temporary folder and runs `make demo` there, with the
caches of pip and uv as they are. Prints the times and sizes as Markdown. The sets of the last clone are then added
one by one, and docs/images/setup_seconds.png and setup_sizes.png drawn. Needs `make build SETS=train` and the network.
In a shell that has not sourced scripts/env.sh: .venv/jazzy/bin/python scripts/setup_figures.py.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from time import monotonic

from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
# First line of each step in the output of `make demo`, and the name of the step.
STEPS = (
    (r"== .*(set run|Python environment)", "packages"),
    (r"== .*(colcon|kernels)", "messages and kernels"),
)
# The steps of the demo itself are reported when they have ended, with their seconds.
ENDED = re.compile(r"(playing|writing the report): .*\(100%\), (\d+) s")
SHOWN = 14  # packages that have a name in the picture


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", default=["HEAD"])
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    runs: dict[str, list[tuple[dict[str, float], float]]] = {revision: [] for revision in options.revisions}
    for _ in range(options.repeat):
        for revision in options.revisions:
            with tempfile.TemporaryDirectory(prefix="icnet-setup-") as folder:
                clone = cloned(revision, Path(folder))
                runs[revision].append((timed_demo(clone), megabytes(clone / ".venv")))
    print("| revision | seconds | median | .venv, MB |\n|---|---|---|---|")
    for revision, measured in runs.items():
        seconds = [sum(steps.values()) for steps, _ in measured]
        each = ", ".join(f"{one:.0f}" for one in seconds)
        print(f"| {revision} | {each} | {statistics.median(seconds):.0f} | {measured[-1][1]:.0f} |")
    with tempfile.TemporaryDirectory(prefix="icnet-setup-") as folder:
        sizes = sizes_by_set(cloned(options.revisions[-1], Path(folder)))
    print("\n| set | MB | largest packages |\n|---|---|---|")
    for name, packages in sizes.items():
        largest = ", ".join(f"{key} {value:.0f}" for key, value in list(packages.items())[:5])
        print(f"| {name} | {sum(packages.values()):.0f} | {largest} |")
    draw_seconds({revision: measured[-1][0] for revision, measured in runs.items()}, IMAGES / "setup_seconds.png")
    draw_sizes(sizes, IMAGES / "setup_sizes.png")


def cloned(revision: str, folder: Path) -> Path:
    """The revision as a fresh clone."""
    clone = folder / "icnet_ros"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", revision], check=True)
    return clone


def timed_demo(clone: Path) -> dict[str, float]:
    """Seconds of each step of `make demo`, in order."""
    steps: dict[str, float] = {}
    name, begun = "environment", monotonic()
    command = ["make", "demo"]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", file=sys.stderr)
            if ended := ENDED.match(line):
                steps.setdefault(name, monotonic() - begun - int(ended[2]))
                steps[ended[1]], name, begun = int(ended[2]), "end", monotonic()
            for pattern, step in STEPS:
                if re.match(pattern, line) and step not in (name, *steps):
                    steps[name], name, begun = monotonic() - begun, step, monotonic()
    steps[name] = monotonic() - begun
    steps.pop("end", None)  # the moment between two steps of the demo, and its summary
    if process.returncode:
        raise SystemExit(f"make demo failed with {process.returncode}")
    return steps


def megabytes(folder: Path) -> float:
    """Space that a folder takes on the disk, as `du` counts it."""
    return int(subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True, text=True).stdout.split()[0])


def sizes_by_set(clone: Path) -> dict[str, dict[str, float]]:
    """MB of the files of each package that a set adds, the largest first; the packages of ROS 2 together."""
    sizes: dict[str, dict[str, float]] = {}
    known: set[str] = set()
    for name, sets in (("run", ""), ("train", "train"), ("test", "train test")):
        subprocess.run(["make", "build", f"SETS={sets}"], cwd=clone, check=True, stdout=sys.stderr)
        (site,) = clone.glob(".venv/*/lib/python3*/site-packages")
        added: dict[str, float] = {}
        for package in distributions(path=[str(site)]):
            if package.name in known:
                continue
            known.add(package.name)
            key = "ROS 2" if package.name.startswith("ros-") else package.name
            files = (Path(str(package.locate_file(file))) for file in package.files or ())
            added[key] = added.get(key, 0) + sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        sizes[name] = dict(sorted(added.items(), key=lambda item: -item[1]))
    return sizes


def draw_seconds(runs: Mapping[str, Mapping[str, float]], picture: Path) -> None:
    """One bar for each revision, its steps side by side."""
    figure = Figure(figsize=(9, 1.6 + 0.7 * len(runs)), layout="constrained")
    panel = figure.subplots()
    names = list(dict.fromkeys(step for steps in runs.values() for step in steps))
    for number, name in enumerate(names):
        panel.bar(0, 0, color=f"C{number}", label=name)  # every step in the legend, whichever revision has it
    for row, steps in enumerate(runs.values()):
        left = 0.0
        for step, seconds in steps.items():
            panel.barh(row, seconds, left=left, color=f"C{names.index(step)}")
            if seconds >= 1:
                panel.text(left + seconds / 2, row, f"{seconds:.0f}", ha="center", va="center", fontsize=8)
            left += seconds
    panel.set_yticks(range(len(runs)), list(runs))
    panel.invert_yaxis()
    panel.set(xlabel="seconds", title="make demo in a fresh clone")
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=len(names), frameon=False)
    figure.savefig(picture, dpi=120)


def draw_sizes(sizes: Mapping[str, Mapping[str, float]], picture: Path) -> None:
    """The largest packages of all sets, coloured by set, and the sum of each set in the legend."""
    packages = [(name, key, value) for name, one in sizes.items() for key, value in one.items()]
    packages = sorted(packages, key=lambda entry: -entry[2])[:SHOWN]
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    for number, (name, one) in enumerate(sizes.items()):
        rows = [(row, entry[2]) for row, entry in enumerate(packages) if entry[0] == name]
        label = f"set {name}: {sum(one.values()):.0f} MB"
        panel.barh([row for row, _ in rows], [value for _, value in rows], color=f"C{number}", label=label)
    panel.set_yticks(range(len(packages)), [key for _, key, _ in packages])
    panel.invert_yaxis()
    panel.set(xlabel="MB", title=f"The {SHOWN} largest packages")
    panel.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
