"""Fuzz the parsers for a while: python test/fuzz/run.py --seconds 600 --seed 1 [--target NAME ...]

Each chunk of inputs runs in a process of its own, so that a crash of a library is noticed and named by its seed.
Inputs are a function of target, seed and number: `--only NUMBER` repeats one. Exit code 1 if there are findings.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutate import mutate
from oracle import check
from targets import TARGETS

CHUNK = 500
SPACE = 3 << 30  # bytes of address space that a chunk may add


def inputs(name, seeds, seed, numbers):
    """Number and content of each input."""
    for number in numbers:
        dice = random.Random(f"{name} {seed} {number}")
        yield number, mutate(dice.choice(seeds), dice)


def run_chunk(name, seeds, seed, numbers, report):
    """In a child: writes the number of each input before it runs, and what was found."""
    used = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPACE, used + SPACE))
    results, findings = Counter(), {}
    for number, data in inputs(name, seeds, seed, numbers):
        os.pwrite(report, number.to_bytes(8, "little"), 0)
        try:
            results[check(TARGETS[name], data, memory=number % 50 == 0)] += 1
        except BaseException as err:
            calls = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(err.__traceback__)]
            place = next((call for call in reversed(calls) if "/icnet_ros/" in call), calls[-1])
            findings.setdefault(f"{type(err).__name__}: {str(err)[:160]} ({place})", number)
            results["found"] += 1
    os.pwrite(report, json.dumps([results, findings]).encode(), 8)


def fuzz(name, seed, numbers, report):
    """Results and findings of a chunk; a crash is a finding."""
    os.ftruncate(report, 0)
    child = os.fork()
    if not child:
        code = 1
        try:
            run_chunk(name, TARGETS[name].seeds(), seed, numbers, report)
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    content = os.pread(report, 1 << 20, 0)
    if status:
        last = int.from_bytes(content[:8], "little")
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "a failure of the fuzzer"
        return Counter(found=1, refused=last - numbers.start), {f"the process ended with {how}": last}
    results, findings = json.loads(content[8:])
    return Counter(results), findings


def main():
    """Fuzz all targets in turn; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=list(TARGETS))
    parser.add_argument("--only", type=int)
    given = parser.parse_args()
    names = given.target or list(TARGETS)
    if given.only is not None:
        ((_, data),) = inputs(names[0], TARGETS[names[0]].seeds(), given.seed, [given.only])
        print(repr(data))
        print(check(TARGETS[names[0]], data))
        return 0
    report = os.memfd_create("report")
    counts = {name: Counter() for name in names}
    found = {name: {} for name in names}
    spent = dict.fromkeys(names, 0.0)
    begun = said = time.monotonic()
    while time.monotonic() - begun < given.seconds:
        name = min(names, key=spent.get)  # the same time for each
        start = sum(counts[name].values())
        before = time.monotonic()
        results, findings = fuzz(name, given.seed, range(start, start + CHUNK), report)
        spent[name] += time.monotonic() - before
        counts[name] += results
        for what, number in findings.items():
            if what not in found[name]:
                found[name][what] = number
                print(f"FOUND {name} --seed {given.seed} --only {number}: {what}", flush=True)
        if time.monotonic() - said > 30:
            said = time.monotonic()
            print(f"{sum(map(Counter.total, counts.values()))} inputs, {said - begun:.0f} s", flush=True)
    for name, count in counts.items():
        print(f"{name}: {dict(count)}")
    print(f"{sum(map(Counter.total, counts.values()))} inputs, {time.monotonic() - begun:.0f} s, seed {given.seed}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
