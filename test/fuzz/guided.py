"""Fuzz one parser guided by the coverage of our code: python test/fuzz/guided.py TARGET -max_total_time=600 [-seed=1]

Needs atheris (pip install atheris), which finds by itself which changes of an input reach new lines.
"""

import random
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["icnet_ros"]):
    from mutate import mutate
    from oracle import check
    from targets import TARGETS


def main():
    """Run libFuzzer on the target; it ends the process."""
    target = TARGETS[sys.argv[1]]
    seeds = target.seeds()

    def grow(data, size, seed):
        """Half of the inputs are changed as `run.py` does, or are seeds to begin with."""
        dice = random.Random(seed)
        if len(data) < 8:
            return dice.choice(seeds)[:size]
        return mutate(data, dice)[:size] if dice.randrange(2) else atheris.Mutate(data, size)

    longest = 4 * max(map(len, seeds))
    atheris.Setup(
        [sys.argv[0], f"-max_len={longest}", *sys.argv[2:]],
        lambda data: check(target, data),
        custom_mutator=grow,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
