"""YAML and JSON of others: plain values, or an error that names the file, the line and the entry."""

import pytest

from icnet_ros.documents import MAX_ALIASES, MAX_BYTES, DocumentError, parse_json, parse_yaml, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 8)
)
MERGES = "m0: &m0 {k0: 0}\n" + "".join(
    f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]\n  k{n}: 1\n" for n in range(1, 8)
)
REFUSED = {
    "a: 1\nb: 2\na: 3\n": r"f\.yaml, line 3: the entry 'a' is there twice",
    "a:\n  on: 3\n": r"f\.yaml, line 2: a: the key 'on' means True: put it in quotes",
    "a:\n  b: [1, {c: 2026-13-45}]\n": r"line 2: a\.b\[1\]\.c: '2026-13-45' is no timestamp",
    "limit: 1:30": "line 1: limit: '1:30' is a number to base 60 or 8",
    "ids: {010: road}": "'010' is a number to base 60 or 8",
    "a: " + "9" * 5000: "line 1: a: a number of 5000 digits, at most 40",
    'a: "x\\0y"': "line 1: a: a text with the character NUL",
    "a: x\0y": "line 1: the character 0 is not allowed",
    "a: &x [1, *x]": r"line 1: a: the alias \*x contains itself",
    "[" * 5000: "nested deeper than 32 levels",
    "{a: " * 40: "nested deeper than 32 levels",
    BOMB: "more than 100000 values",
    MERGES: "more than 100000 values",
    "a: &x 1\nb: [" + "*x, " * (MAX_ALIASES + 1) + "]": f"line 2: .*more than {MAX_ALIASES} aliases",
    "a: !!python/object/apply:os.getcwd []": "only plain values are read",
    "a: !!binary aGVsbG8=": "only plain values are read",
    "a: !!float ''": "line 1: a: '' is no float",
    "? [1, 2]\n: 3": "a key is a list or a mapping",
    "a: 1\n--- \nb: 2": "line 2: expected a single document in the stream, but found another document",
    "a: [1, 2\nb: 3": "f.yaml, line 2: ",
    "a: *nothing": "undefined alias",
    "x" * (MAX_BYTES + 1): f"at most {MAX_BYTES} are read",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_has_no_meaning_or_too_much_is_refused(text):
    with pytest.raises(DocumentError, match=REFUSED[text]):
        parse_yaml(text, "f.yaml")


def test_plain_values():
    text = "a: [1, -2.5, true, null, 'on', '1:30']\nb: &b {c: text}\nd: {<<: *b, 7: seven}\nbig: 1_000\n"
    assert parse_yaml(text, "x") == {
        "a": [1, -2.5, True, None, "on", "1:30"],
        "b": {"c": "text"},
        "d": {"c": "text", 7: "seven"},
        "big": 1000,
    }
    assert parse_yaml("", "x") is None


def test_files(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: stra\xc3\x9fe\n")  # as Windows writes it
    assert read_yaml(file) == {"name": "straße"}
    file.write_bytes(b"name: stra\xdfe\n")
    with pytest.raises(DocumentError, match=r"f\.yaml: byte 10 is not UTF-8"):
        read_yaml(file)
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(OSError, match="larger than"):
        read_yaml(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "the entry 'a' is there twice"),
        ("[NaN]", "NaN is no number"),
        ("[" * 100_000, "nested too deep"),
        ("1" * 5000, "5000 digits"),
        ("{\n\n1", "f.json, line 3: no valid JSON"),
    ],
)
def test_json(text, problem):
    with pytest.raises(DocumentError, match=problem):
        parse_json(text, "f.json")
    assert parse_json('{"a": [1, 2.5, null, "x"]}', "f.json") == {"a": [1, 2.5, None, "x"]}
