"""What every input must lead to: the right result, or an error of ours; soon, and with little memory."""

import tracemalloc
from contextlib import contextmanager
from time import thread_time

from target import Target

SECONDS = 5.0  # of CPU, for one input
MEMORY = 64  # bytes for each byte of the input
CONSTANT = 64 << 20


class TooSlowError(BaseException):
    """More CPU time than `SECONDS`; no handler of ours takes it for an error of a file."""


@contextmanager
def _limited():
    """Measured afterwards: a signal that interrupts ends a worker of xdist. What never ends is pytest-timeout's."""
    began = thread_time()
    yield
    if thread_time() - began > SECONDS:
        raise TooSlowError


def check(target: Target, data: bytes, *, memory: bool = False) -> str:
    """Run a parser: "parsed" or "refused". Raises AssertionError, or what the parser should not have raised.

    memory: also measure it, which takes several times as long.
    """
    memory &= target.memory
    if memory:
        tracemalloc.start()
    try:
        with _limited():
            target.run(data)
        result, said = "parsed", "its result"
    except target.errors as err:
        result, said = "refused", str(err)
    finally:
        if memory:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert said.strip(), "an error without a word"
    assert "Traceback" not in said
    if memory:
        assert peak <= MEMORY * len(data) + CONSTANT, f"{peak >> 20} MiB for {len(data)} bytes"
    return result
