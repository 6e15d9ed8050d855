import pytest

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes


@pytest.mark.parametrize(("name", "count"), [("camvid", 11), ("cityscapes", 19), ("cocostuff", 182)])
def test_shipped_tables(name, count):
    table = load_classes(name)
    assert (len(table), table.name, table.ignore) == (count, name, 255)
    assert ClassTable.from_dict(table.to_dict()) == table


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ClassTableError, match=r"'kitti'.*camvid, cityscapes, cocostuff"):
        load_classes("kitti")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x\nclasses: [{name: a, colour: [0, 0, 0]}]", "1 classes"),
        ("name: x\nclasses: [{name: a, colour: [0, 0, 0]}, {name: a, colour: [1, 1, 1]}]", "unique"),
        ("name: x\nclasses: [{name: a, colour: [0, 0, 0]}, {name: b, colour: [1, 1, 256]}]", "three of 0..255"),
        ("name: x\nclasses: [{name: a, colour: [0, 0, 0]}, {name: b}]", "colour"),
        ("name: x\nignore: 1\nclasses: [{name: a, colour: [0, 0, 0]}, {name: b, colour: [1, 1, 1]}]", "ignore id 1"),
        (
            "name: x\nclasses: [{name: a, id: 7, colour: [0, 0, 0]}, {name: b, id: 8, colour: [1, 1, 1]}]",
            "'a' has the id 7 and is number 0 of the list, from 0",
        ),
        ("just words", "not a class table"),
        ("a: [", "while parsing"),
    ],
)
def test_a_bad_table_is_named_and_explained(tmp_path, text, problem):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ClassTableError, match=problem) as caught:
        load_classes(path)
    assert "bad.yaml" in str(caught.value)
