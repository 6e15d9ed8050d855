"""Label groups: files by name and by path, for the class tables of both shipped checkpoints."""

import pytest

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.share import share

SHIPPED = sorted(path.stem for path in share("config", "groups").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("table", ["cityscapes", "camvid"])
def test_shipped_groups_take_both_shipped_class_tables(name, table):
    classes = load_classes(table)
    groups = load_groups(name, classes)
    assert len(groups.group_of) == len(classes)
    assert set(groups.group_of) <= set(range(len(groups.classes) + 1))
    assert groups.ids == (*range(len(groups.classes)), 255)


def test_the_groups_of_nav2():
    assert SHIPPED == ["drivable", "nav2", "outdoor"]
    classes = load_classes("cityscapes")
    groups = load_groups("nav2", classes)
    names = (*groups.classes.names, "unlabelled")
    found = {one: names[group] for one, group in zip(classes.names, groups.group_of, strict=True)}
    assert groups.classes.names == ("free", "caution", "dynamic", "lethal")
    assert (found["road"], found["sidewalk"], found["car"], found["building"], found["sky"]) == (
        "free",
        "caution",
        "dynamic",
        "lethal",
        "unlabelled",
    )
    assert load_groups("nav2", load_classes("camvid")).classes == groups.classes


GOOD = """
name: mine
groups:
  - {name: way, colour: [1, 2, 3], classes: [a]}
  - {name: no way, colour: [4, 5, 6], classes: [b, c]}
"""
ABC = ClassTable("abc", ("a", "b", "c"), ((0, 0, 0),) * 3)


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "g.yaml").write_text(GOOD)
    groups = load_groups(str(tmp_path / "g.yaml"), ABC)
    assert (groups.classes.names, groups.group_of) == (("way", "no way"), (0, 1, 1))
    (tmp_path / "g.yaml").write_text(GOOD.replace("[b, c]", "[b]") + "unlabelled: [c]\n")
    assert load_groups(str(tmp_path / "g.yaml"), ABC).group_of == (0, 1, 2)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[b, c]", "[b, d]", "group no way: no class 'd'; abc has a, b, c"),
        ("[b, c]", "[b]", "class 'c' of abc is in no group"),
        ("[b, c]", "[a, b, c]", "class 'a' is in the groups way and no way"),
        ("[4, 5, 6]", "[4, 5]", "colour"),
        ("no way", "way", "unique"),
        ("name: mine", "", "not label groups"),
        ("groups:", "grups:", "no entry 'grups'"),
        (GOOD, "[", "g.yaml"),
        (GOOD, "- 1", "not label groups"),
        (GOOD, "", "not label groups"),
    ],
)
def test_a_bad_file_is_named_and_explained(tmp_path, old, new, problem):
    (tmp_path / "g.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(ClassTableError, match=r"g\.yaml") as caught:
        load_groups(str(tmp_path / "g.yaml"), ABC)
    assert problem in str(caught.value)


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ClassTableError, match="no label groups 'nav3'; there are drivable, nav2, outdoor"):
        load_groups("nav3", ABC)


def test_ids_in_a_file_are_places_in_its_list(tmp_path):
    """Labels are places; other ids would be ignored."""
    (tmp_path / "g.yaml").write_text(GOOD.replace("name: way", "id: 0, name: way"))
    assert load_groups(str(tmp_path / "g.yaml"), ABC).group_of == (0, 1, 1)
    (tmp_path / "g.yaml").write_text(GOOD.replace("name: way", "id: 7, name: way"))
    with pytest.raises(ClassTableError, match="'way' has the id 7 and is number 0 of the list"):
        load_groups(str(tmp_path / "g.yaml"), ABC)


def test_groups_without_a_class_of_the_checkpoint_are_named():
    assert load_groups("nav2", load_classes("cityscapes")).empty == ()
    assert load_groups("nav2", load_classes("street_groups")).empty == ("dynamic",)
