"""A scene of known geometry, rendered ray by ray, and what a grid and a scan of it must be.

Nothing here comes from the package: rays are intersected with boxes and the ground in space, point by point.
"""

import math
from dataclasses import dataclass, field

import numpy as np

ROAD, GRASS, BOX, SKY, WATER = range(5)
COSTS = {ROAD: 0, GRASS: 40, BOX: 100, SKY: -1, WATER: 100}
NOT_SHOWN = -2


@dataclass(frozen=True)
class Box:
    """Stands on the ground, in the ground frame; metres."""

    x0: float
    x1: float
    y0: float
    y1: float
    height: float

    def entry(self, origin, rays):
        """Distance along each ray (n, 3), in units of the ray, to where it enters the box; inf if it does not."""
        low, high = np.array([self.x0, self.y0, 0.0]), np.array([self.x1, self.y1, self.height])
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (low - origin) / rays, (high - origin) / rays
        near, far = np.fmin(a, b).max(1), np.fmax(a, b).min(1)
        return np.where((near < far) & (near > 1e-9), near, np.inf)


@dataclass
class Scene:
    """Boxes on a ground of road, with grass where y > `grass` and water in a rectangle."""

    boxes: list = field(default_factory=list)
    grass: float = 1e9
    water: tuple = (1e9, 1e9, 1e9, 1e9)

    def ground(self, x, y):
        x0, x1, y0, y1 = self.water
        labels = np.where(y > self.grass, GRASS, ROAD)
        return np.where((x > x0) & (x < x1) & (y > y0) & (y < y1), WATER, labels)

    def render(self, origin, rays):
        """Label of each ray (n, 3) from `origin`, both in the ground frame."""
        with np.errstate(divide="ignore"):
            best = np.where(rays[:, 2] < 0, -origin[2] / rays[:, 2], np.inf)
        labels = np.full(len(rays), SKY)
        hit = np.isfinite(best)
        points = origin + rays[hit] * best[hit, None]
        labels[hit] = self.ground(points[:, 0], points[:, 1])
        for box in self.boxes:
            entry = box.entry(origin, rays)
            labels[entry < best] = BOX
            best = np.fmin(best, entry)
        return labels.astype(np.uint8)

    def hidden(self, origin, points):
        """Whether a box is between `origin` and each point (n, 3), or the point is in one."""
        rays = points - origin
        result = np.zeros(len(points), bool)
        for box in self.boxes:
            result |= box.entry(origin, rays) < 1 - 1e-9
        return result

    def contacts(self, origin, count=7200):
        """Points (n, 2) where something that stands up first meets the ground, seen along `count` bearings."""
        bearings = np.linspace(-math.pi, math.pi, count, endpoint=False)
        rays = np.stack([np.cos(bearings), np.sin(bearings), np.zeros(count)], -1)
        foot, found = np.array([origin[0], origin[1], 1e-6]), []
        for box in self.boxes:
            entry = box.entry(foot, rays)
            met = np.isfinite(entry)
            found.append((foot + rays[met] * entry[met, None])[:, :2])
        points = np.concatenate(found or [np.zeros((0, 2))])
        on_ground = np.concatenate([points + (origin[:2] - points) * 1e-6, np.full((len(points), 1), 1e-6)], 1)
        return points[~self.hidden(origin, on_ground)]


def boxes_of(*rows):
    return [Box(*row) for row in rows]


def lower_edge(scene, origin, seen, count=3600, farthest=8.0):
    """Points (n, 2) where the picture begins along a bearing, if something stands in front of the ground there."""
    bearings, radii = np.linspace(-math.pi, math.pi, count, endpoint=False)[:, None], np.arange(0.02, farthest, 0.02)
    x, y = origin[0] + radii * np.cos(bearings), origin[1] + radii * np.sin(bearings)
    shown = seen(np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)).reshape(x.shape)
    first, some = shown.argmax(1), np.flatnonzero(shown.any(1))
    points = np.stack([x[some, first[some]], y[some, first[some]], np.zeros(len(some))], -1)
    return points[scene.hidden(origin, points)][:, :2]


def obstacles_of(scene, origin, seen):
    """Points (n, 2) in the picture where something stands: its foot, or where the picture begins."""
    contacts = scene.contacts(origin)
    contacts = contacts[seen(np.concatenate([contacts, np.zeros((len(contacts), 1))], 1))]
    return np.concatenate([contacts, lower_edge(scene, origin, seen)])


def reference_grid(scene, origin, seen, resolution, columns, rows, corner, per_side=5):
    """Costs (rows, columns): what stands, else what most points of a cell are that the picture shows; -1 unknown.

    seen: of points (n, 3), whether they are in the picture.
    """
    offsets = (np.arange(per_side) + 0.5) / per_side
    x = corner[0] + resolution * (np.arange(columns)[:, None] + offsets).reshape(-1)
    y = corner[1] + resolution * (np.arange(rows)[:, None] + offsets).reshape(-1)
    xx, yy = np.meshgrid(x, y)
    points = np.stack([xx.reshape(-1), yy.reshape(-1), np.zeros(xx.size)], -1)
    shown = seen(points)
    costs = np.array(list(COSTS.values()))[scene.ground(points[:, 0], points[:, 1])]
    costs[scene.hidden(origin, points)] = -1
    costs[~shown] = NOT_SHOWN
    cells = costs.reshape(rows, per_side, columns, per_side).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    values = sorted(set(COSTS.values()))
    counts = np.stack([(cells == value).sum(-1) for value in values], -1)
    grid = np.where(counts.any(-1), np.array(values)[counts.argmax(-1)], -1)
    contacts = obstacles_of(scene, origin, seen)
    column, row = ((contacts - corner) / resolution).astype(int).T
    inside = (contacts >= corner).all(1) & (column < columns) & (row < rows)
    grid[row[inside], column[inside]] = 100
    return grid


def reference_scan(scene, origin, seen, angle_min, step, beams, range_max, spacing=0.02):
    """Nearest contact or water in each beam, inf if there is none."""
    side = np.arange(-range_max, range_max, spacing)
    xx, yy = np.meshgrid(side, side)
    points = np.stack([xx.reshape(-1), yy.reshape(-1)], -1)
    points = points[scene.ground(points[:, 0], points[:, 1]) == WATER]
    flat = np.concatenate([points, np.zeros((len(points), 1))], 1)
    points = points[~scene.hidden(origin, flat)] if len(points) else points
    points = points[seen(np.concatenate([points, np.zeros((len(points), 1))], 1))]
    obstacles = np.concatenate([obstacles_of(scene, origin, seen), points])
    ranges = np.full(beams, np.inf)
    beam = np.rint((np.arctan2(obstacles[:, 1], obstacles[:, 0]) - angle_min) / step).astype(int)
    distance = np.hypot(*obstacles.T)
    good = (beam >= 0) & (beam < beams) & (distance <= range_max)
    np.minimum.at(ranges, beam[good], distance[good])
    return ranges


def cells_off(grid, reference, margin=1):
    """Cells of `grid` whose value the reference does not have within `margin` cells."""
    padded = np.pad(reference, margin, mode="edge")
    height, width = grid.shape
    side = range(2 * margin + 1)
    return ~np.any([padded[j : j + height, i : i + width] == grid for j in side for i in side], axis=0)
