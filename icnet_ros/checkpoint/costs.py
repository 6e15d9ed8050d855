"""Costs of classes on the ground, from files of label groups: `cost` and `upright` of each group."""

from typing import Any

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError
from icnet_ros.checkpoint.groups import load_groups, not_groups, read_groups
from icnet_ros.ground.costs import UNKNOWN, ClassCosts


def load_costs(classes: ClassTable, label_groups: str, otherwise: str) -> ClassCosts:
    """Costs of the classes of label maps.

    classes: of the label maps; the groups themselves if `label_groups` (a file, see `load_groups`) is not "". Their
    costs are in that file. Else each class has the cost of its group in the file `otherwise`. Raises ClassTableError.
    """
    name = label_groups or otherwise
    path, values = read_groups(name)
    try:
        entries = [*values["groups"], *([values["rest"]] if "rest" in values else [])]
        by_group = {str(entry["name"]): _cost(entry) for entry in entries}
    except ClassTableError as err:
        raise ClassTableError(f"{path}: {err}") from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise not_groups(path, err) from err
    groups = classes.names
    if not label_groups:
        found = load_groups(name, classes)
        names = (*found.classes.names, "")
        groups = tuple(names[index] for index in found.group_of)
    costs = [by_group.get(group, (UNKNOWN, False)) for group in groups]  # unlabelled classes are unknown
    return ClassCosts(tuple(cost for cost, _ in costs), tuple(upright for _, upright in costs))


def _cost(entry: Any) -> tuple[int, bool]:
    """(cost, upright) of a group."""
    name, cost, upright = entry["name"], entry.get("cost"), entry.get("upright", False)
    if cost is None:
        raise ClassTableError(f"group {name} has no cost: add `cost: 0` (free) to 100 (lethal), or `cost: unknown`")
    if cost != "unknown" and (isinstance(cost, bool) or not isinstance(cost, int) or not 0 <= cost <= 100):
        raise ClassTableError(f"group {name}: cost is {cost!r}; it takes 0 to 100, or unknown")
    if not isinstance(upright, bool):
        raise ClassTableError(f"group {name}: upright is {upright!r}; it takes true or false")
    return (UNKNOWN if cost == "unknown" else cost), upright
