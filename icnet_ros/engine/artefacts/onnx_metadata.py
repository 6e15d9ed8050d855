"""Metadata of an ONNX file, without the package onnx and without reading its weights.

The file is a protobuf message, ModelProto of onnx.proto: fields, each a tag (number and wire type) and a value.
"""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from icnet_ros.files import open_regular

METADATA_PROPS, KEY, VALUE = 14, 1, 2  # field numbers of ModelProto and of StringStringEntryProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
SIZES = {VARINT: 0, FIXED64: 8, FIXED32: 4}
MAX_VARINT = 10  # bytes


def read_metadata(path: Path) -> dict[str, str]:
    """`metadata_props` of an ONNX file. Raises ValueError if it is no whole protobuf message, OSError."""
    with open_regular(path) as file:
        entries = [value for _, value in _fields(file, os.fstat(file.fileno()).st_size, {METADATA_PROPS})]
    found = [{KEY: b"", VALUE: b""} | dict(_fields(BytesIO(one), len(one), {KEY, VALUE})) for one in entries]
    return {one[KEY].decode(): one[VALUE].decode() for one in found}


def _fields(file: BinaryIO, end: int, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each wanted field; others are skipped. end: of the message, as a place in the file."""
    while file.tell() < end:
        number, kind = divmod(_varint(file), 8)
        if kind != BYTES and kind not in SIZES:
            raise ValueError(f"wire type {kind} before byte {file.tell()}")
        if kind == VARINT:
            _varint(file)
        size = _varint(file) if kind == BYTES else SIZES[kind]
        if not number or file.tell() + size > end:
            raise ValueError(f"field {number} of {size} bytes before byte {file.tell()} of {end}")
        if kind == BYTES and number in wanted:
            yield number, file.read(size)
        else:
            file.seek(size, os.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    """An unsigned number: 7 bits a byte, the lowest first; the last byte is below 128."""
    value = 0
    for place in range(MAX_VARINT):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << (7 * place)
        if byte[0] < 128:
            return value
    raise ValueError(f"number without an end before byte {file.tell()}")
