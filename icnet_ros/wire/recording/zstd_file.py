"""Unpacks a file that was recorded with `--compression-mode file`, as far as it is whole."""

from pathlib import Path

import zstandard

from icnet_ros.wire.cdr import WireError

BLOCK = 1 << 22


def unpack_file(path: Path, folder: Path) -> tuple[Path, str]:
    """The unpacked file in `folder`, and why it is not complete, "" if it is.

    Raises WireError if nothing can be unpacked, or if there is no space for it.
    """
    target, problem = folder / path.name.removesuffix(".zstd"), ""
    with path.open("rb") as packed, target.open("wb") as unpacked:
        content = packed.read(64)
        try:
            declared = zstandard.frame_content_size(content)
        except zstandard.ZstdError:
            declared = -1
        packed.seek(0)
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
                while block := reader.read(BLOCK):
                    unpacked.write(block)
        except zstandard.ZstdError as err:
            problem = f"compressed, and its zstd data is damaged ({err}): what follows is lost"
        except OSError as err:
            raise WireError(
                f"cannot be unpacked into {folder}: {err.strerror}; TMPDIR may name another folder"
            ) from err
        size = unpacked.tell()
    if not problem and 0 <= declared != size:
        problem = f"compressed, and its zstd data is cut off after {size} of {declared} bytes: what follows is lost"
    if not size:
        raise WireError(problem or "compressed, and nothing is in it")
    return target, problem
