"""Instruction sets of the CPU."""

from pathlib import Path

# Instructions by which int8 is faster than fp32, as /proc/cpuinfo names them. Without them sums of products of full
# range saturate.
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}


def cpu_flags() -> set[str]:
    """Instruction sets of the CPU, as /proc/cpuinfo names them; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {word for line in lines if line.startswith(("flags", "Features")) for word in line.split(":", 1)[1].split()}
