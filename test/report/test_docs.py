"""docs/replay.md names what is really in the report."""

import json
import re
from pathlib import Path

from drives import icnet, make_bag

from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.report.gates import SCALAR_FIGURES
from icnet_ros.report.report_json import SCHEMA_VERSION

DOCS = Path(__file__).parents[2] / "docs" / "replay.md"


def test_every_key_of_the_report_is_documented(tmp_path, tiny, model):
    bag = make_bag(tmp_path / "bag", open_engine("torch", tiny, EngineOptions("cpu")), frames=2)
    words = ("--out", tmp_path / "out", "--model", model, "--engine", "torch")
    assert icnet("replay", bag, *words) == 0
    text = DOCS.read_text()
    section = text[text.index("### report.json") : text.index("## Gates")]
    table = {
        key
        for line in section.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert table == {*report, "drives", "live", "int8_sha256"} - {"schema_version"}
    assert f"`schema_version` is {SCHEMA_VERSION}" in section
    for name in SCALAR_FIGURES:
        assert f"`{name}`" in text
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "report.html",
        "report.json",
        "frames.csv",
        "predictions",
        "labels",
        "overlay.webm",
        "contact_sheet.png",
    }
    assert all(name in text for name in written)
