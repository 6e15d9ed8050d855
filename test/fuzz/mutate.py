"""Inputs that are nearly valid: seeds with other bytes, words and numbers."""

BOUNDS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
WORDS = (
    b"", b"0", b"-1", b"1e999", b".nan", b".inf", b"NaN", b"9" * 50, b"null", b"true", b"on", b"[]", b"{}", b"[[",
    b"}}", b"'", b'"', b"\0", b"\n", b"\t", b": ", b"- ", b"&a ", b"*a", b"<<: *a", b"!!int ", b"!!set ", b"%", b"\xff",
    b"\xc3\xa9", b"\x1b[2J", b"../..", b"/dev/null", b"\\u0000", b"\\ud800", b"010", b"1:30", b"2026-13-45", b"1_0",
    b"0x", b"\xff\xd9", b"\xff\xda",
)  # fmt: skip


def mutate(seed: bytes, dice) -> bytes:
    """`seed` with 1 to 6 changes; dice: a random.Random."""
    data = bytearray(seed)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        place = dice.randrange(len(data) + 1)
        kind = dice.randrange(8)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << dice.randrange(8)
        elif kind == 1:
            size = dice.choice((1, 2, 4, 8))
            number = dice.choice(BOUNDS) % (1 << 8 * size)
            data[place : place + size] = number.to_bytes(size, dice.choice(("little", "big")))
        elif kind == 2:
            data[place : place + dice.choice((0, 1, 4))] = dice.choice(WORDS)
        elif kind == 3:
            data[place : place + dice.randrange(1, 9)] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 4:
            del data[place : place + dice.choice((1, 2, 7, 64, 1000))]
        elif kind == 5:  # a piece again
            piece = data[place : place + dice.choice((1, 4, 30, 200))]
            data[place:place] = piece * dice.choice((1, 1, 2, 20))
        elif kind == 6:  # two pieces exchanged, by lines where there are some
            lines = bytes(data).split(b"\n")
            one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            data[:] = b"\n".join(lines)
        else:
            del data[place if dice.randrange(4) == 0 else len(data) :]
    return bytes(data)
