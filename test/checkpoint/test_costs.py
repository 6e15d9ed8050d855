"""Costs on the ground from files of label groups."""

import pytest

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.checkpoint.costs import load_costs
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.ground.costs import FIRST, HIDDEN, UPRIGHT, ClassCosts


@pytest.mark.parametrize("name", ["drivable", "nav2", "outdoor"])
@pytest.mark.parametrize("table", ["cityscapes", "camvid"])
def test_shipped_groups_have_costs_for_classes_and_for_groups(name, table):
    classes = load_classes(table)
    groups = load_groups(name, classes)
    by_class, by_group = load_costs(classes, "", name), load_costs(groups.classes, name, "")
    for index, group in enumerate(groups.group_of):
        if group < len(groups.classes):
            assert by_class.costs[index] == by_group.costs[group]
            assert by_class.upright[index] == by_group.upright[group]
    found = dict(zip(classes.names, zip(by_class.costs, by_class.upright, strict=True), strict=True))
    assert found["road"] == (0, False)
    assert found["car"] == (100, True)
    assert found["sky"] == (-1, False)


FILE = """
name: mine
groups:
  - {name: way, colour: [1, 2, 3], classes: [a], cost: 10}
  - {name: no way, colour: [4, 5, 6], classes: [b], cost: 100, upright: true}
unlabelled: [c]
"""
ABC = ClassTable("abc", ("a", "b", "c"), ((0, 0, 0),) * 3)


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "g.yaml").write_text(FILE)
    assert load_costs(ABC, "", str(tmp_path / "g.yaml")) == ClassCosts((10, 100, -1), (False, True, False))
    assert load_costs(ABC, "", str(tmp_path / "g.yaml")) == load_costs(ABC, "", str(tmp_path / "g.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (", cost: 10}", "}", "group way has no cost: add `cost: 0`"),
        ("cost: 10}", "cost: 101}", "group way: cost is 101; it takes 0 to 100, or unknown"),
        ("cost: 10}", "cost: true}", "group way: cost is True"),
        ("upright: true", "upright: 1", "group no way: upright is 1; it takes true or false"),
        ("name: no way, ", "", "not label groups"),
    ],
)
def test_what_a_file_says_wrong_is_said(tmp_path, old, new, problem):
    (tmp_path / "g.yaml").write_text(FILE.replace(old, new))
    with pytest.raises(ClassTableError, match=problem):
        load_costs(ABC, "", str(tmp_path / "g.yaml"))


def test_codes_are_in_the_order_of_costs():
    codes, costs = ClassCosts((50, 0, 100, -1, -1), (False, False, True, False, True)).codes()
    assert costs.tolist() == [-1, -1, 0, 50, 100]
    assert codes[:5].tolist() == [FIRST + 1, FIRST, (FIRST + 2) | UPRIGHT, HIDDEN, HIDDEN | UPRIGHT]
    assert (codes[5:] == HIDDEN).all()
