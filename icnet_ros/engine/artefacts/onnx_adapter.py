"""Gives any segmentation network in an ONNX file the input and output of an exported checkpoint."""

import logging
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.onnx_file import OnnxNetwork, load_with_data, read_onnx
from icnet_ros.checkpoint.onnx_graph import Array, Graph, attributes
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.artefacts.adapter import probe
from icnet_ros.engine.artefacts.adapter.binary import OneChannel, kind_of_channel, two_classes
from icnet_ros.engine.artefacts.adapter.flattened import unflatten
from icnet_ros.engine.artefacts.adapter.follow import LAYOUTS, Cut, chain, follow, watched
from icnet_ros.engine.artefacts.adapter.layout import four_axes, layout_of
from icnet_ros.engine.artefacts.adapter.loosen import loosen
from icnet_ros.engine.artefacts.adapter.meaning import as_numbers, check_labels, gives_labels, kind_of
from icnet_ros.engine.artefacts.adapter.proof import Agreement, agreement, agreement_of_order, is_half, worst
from icnet_ros.engine.artefacts.adapter.reorder import reorder, values_needed
from icnet_ros.engine.artefacts.adapter.surround import Ending, Inverse, surround
from icnet_ros.engine.base import EngineError, one_line
from icnet_ros.engine.tail import ONE_CHANNEL, Tail

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)
FORMAT = 4  # of adapted files; part of their key in the cache
INVERSES: dict[str, Inverse] = {"probabilities": "log", "sigmoid": "logit"}  # by kind of output
TAIL_KEY = "icnet_tail"  # of their metadata


def adapt(checkpoint: Checkpoint, path: Path) -> None:
    """Write `image` float32 (1, 3, H, W), normalised -> `logits` (1, h, w, classes), as `export.export_onnx` does.

    The network is run three times on pictures of noise. Operators at its end that the engine does faster are left out
    if the labels stay the same; `read_tail` of the file says which. Raises CheckpointError, EngineError for a network
    that does not run, or whose output is not what its description says.
    """
    import onnx

    assert checkpoint.path is not None
    began = monotonic()
    network = read_onnx(checkpoint.path)
    model = load_with_data(checkpoint.path, network.model)
    network = unflatten(network, model)
    model, moved, probed = _with_fewer_products(checkpoint.path, network, model)
    tail, ending = probed.ending()
    log.info(
        "%s: output %s of %s; the engine replaces: %s%s%s (%.1f s)",
        checkpoint.path, tail.kind, tail.layout, tail, f" ({tail.reason})" if tail.reason else "",
        f"; moved before interpolations: {', '.join(moved)}" if moved else "", monotonic() - began,
    )  # fmt: skip
    adapted = surround(network, model, ending)
    quantized = any(node.op_type == "QuantizeLinear" for node in adapted.graph.node)
    loose = network.input.size is not None and network.spec.input_size is None
    if loose and network.input.size:
        loosen(str(checkpoint.path), adapted, network.input.size)
    write_tail(adapted, replace(tail, quantized=quantized, moved=moved))
    onnx.save(adapted, path)
    probed.check(path, ending)
    if loose:
        probed.check_other_sizes(path)


def read_tail(path: Path) -> Tail:
    """What `adapt` wrote into a file, or into the one that this was made from; the default for other files.

    Raises EngineError for a file that cannot be read.
    """
    import onnx

    try:
        return tail_of(onnx.load(path, load_external_data=False))
    except Exception as err:  # protobuf errors have no common base class in the API of onnx
        raise EngineError(f"{path}: {one_line(err)}") from err


def tail_of(model: "onnx.ModelProto") -> Tail:
    """See `read_tail`. Raises EngineError for damaged metadata."""
    text = next((entry.value for entry in model.metadata_props if entry.key == TAIL_KEY), None)
    try:
        return Tail() if text is None else Tail.from_json(text)
    except (ValueError, KeyError, TypeError) as err:
        raise EngineError(f"its metadata {TAIL_KEY} cannot be read ({type(err).__name__}: {err})") from err


def write_tail(model: "onnx.ModelProto", tail: Tail) -> None:
    """Add the tail to the metadata of a model."""
    import onnx

    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, TAIL_KEY: tail.to_json()})


def _with_fewer_products(
    path: Path, network: OnnxNetwork, model: "onnx.ModelProto"
) -> "tuple[onnx.ModelProto, tuple[str, ...], _Probed]":
    """The network with 1x1 convolutions before interpolations instead of behind, and the names of those.

    It stays as it is if that saves little, or changes labels. Raises EngineError for a network that does not run.
    """
    probed = _Probed(path, network, model)
    image = probed.images[0]
    if wanted := values_needed(model):
        shapes = probe.shapes(probed.source, model, network.input.name, probed.fed(image), wanted)
        changed, moved = reorder(model, shapes, image.shape[2] * image.shape[3])
        if moved:
            ours = _Probed(path, network, changed)
            found = ours.agreement(probed)
            if found.proven:
                ours.output = probed.output  # what the labels of the cut network are compared with
                return changed, moved, ours
            log.warning("%s: is not reordered: %s", path, found)
    return model, (), probed


class _Probed:
    """A network and what it gives for two pictures, and for the first one with a bright patch."""

    def __init__(self, path: Path, network: OnnxNetwork, model: "onnx.ModelProto") -> None:
        self.source, self.network = str(path), network
        self.spec: ModelSpec = network.spec
        self.graph, self._half = Graph(model), is_half(model)
        first, second = probe.pictures(self.spec, network.input.size)
        self.pictures = first, second
        self.images = [picture.image(self.spec) for picture in (first, second, first.with_patch())]
        wanted = [network.output, *watched(chain(self.graph, network.output))]
        self.runs = probe.run(
            self.source, model, network.input.name, [self.fed(image) for image in self.images], wanted
        )
        self.output = [as_numbers(one[network.output]) for one in self.runs]
        stated, values = network.output_kind, self.output[0]
        self.labels = gives_labels(self.source, self.runs[0][network.output], stated)
        self.layout, one = layout_of(self.source, values, self.labels, network)
        self.channel = kind_of_channel(self.source, values, stated) if one else None
        self.stated = {"sigmoid": "probabilities", "logits": "logits", None: stated}[self.channel]

    def ending(self) -> tuple[Tail, Ending]:
        """What the engine does after the network, and where the network ends. Raises EngineError."""
        classes = len(self.spec.classes)
        outputs = [probe.as_map(values, LAYOUTS[self.layout]) for values in self.output]
        probe.check_shapes(self.source, self.pictures, outputs[:2])
        if self.labels:
            for values in outputs:
                check_labels(self.source, values, classes)
        maps = [two_classes(values, self.channel) if self.channel else values for values in outputs[:2]]
        kind = "labels" if self.labels else kind_of(self.source, maps[0], 2, self.stated)
        probe.check_places(self.source, outputs[0], outputs[2], self.labels)
        layout = f"{self.layout}, {ONE_CHANNEL}" if self.channel else self.layout
        found = follow(
            self.graph, self.network.output, self.layout, 1 if self.channel else classes,
            [picture.size for picture in self.pictures], self.runs[:2],
        )  # fmt: skip
        if isinstance(found, Cut):
            channel: OneChannel | None = "logits" if self.channel and found.activation else self.channel
            parts = [probe.as_map(one[found.value], found.axes) for one in self.runs[:2]]
            parts = [two_classes(values, channel) if channel else values for values in parts]
            proof = worst(
                agreement(value, found.interpolation, picture.size, whole, labels=self.labels, half=self._half)
                for value, picture, whole in zip(parts, self.pictures, maps, strict=True)
            )
            if proof.proven:
                return self._cut(found, channel, parts[0], kind, layout, proof.equal)
            reason = f"without {', '.join(found.operators)} {proof}"
            log.warning("%s: is run as it is: %s", self.source, reason)
        else:
            reason = found
        tail = Tail(labels=self.labels, reason=reason, kind=kind, layout=layout)
        if self.labels:
            return tail, Ending(self.network.output, self.layout)
        if kind == "logits" and isinstance(found, Cut) and "Sigmoid" in found.operators:
            kind = "sigmoid"  # its values before the sigmoid are the logits
        axes, missing = four_axes(self.layout)
        return tail, Ending(self.network.output, "", axes, INVERSES.get(kind, ""), self.channel, missing)

    def agreement(self, other: "_Probed") -> Agreement:
        """Of the labels with those of `other`, for the picture where it is worst. Raises EngineError."""
        name, axis = self.network.output, LAYOUTS[self.layout][0]
        chosen = next((node for node in chain(self.graph, name) if node.op_type == "ArgMax"), None)
        if self.labels and chosen is not None:  # its values show ties
            name, axis = chosen.input[0], attributes(chosen).get("axis", 0)
        pairs = [(one[name], mine[name]) for one, mine in zip(other.runs, self.runs, strict=True)]
        if self.channel:
            kind, axis = self.channel, -1
            pairs = [(two_classes(one[..., None], kind), two_classes(mine[..., None], kind)) for one, mine in pairs]
        return worst(agreement_of_order(one, mine, axis, half=self._half) for one, mine in pairs)

    def _cut(
        self, cut: Cut, channel: OneChannel | None, values: Array, kind: str, layout: str, share: float
    ) -> tuple[Tail, Ending]:
        """values: (h, w, classes), where the network is cut. channel: what they were made of, see `Ending`."""
        if cut.activation:
            probabilities = False  # the values before it are logits
        elif self.labels:  # also of classes that do not exclude each other: their order is all that counts
            probabilities = bool(values.min() >= 0 and values.max() <= 1 and np.ptp(values) > 0)
        else:
            probabilities = kind in INVERSES
        linear = probabilities and cut.interpolation is not None and not cut.interpolation.rounding
        tail = Tail(cut.interpolation, linear, False, cut.operators, cut.reason, kind, layout, share)
        inverse: Inverse = INVERSES.get(kind, "") if probabilities and not linear else ""
        return tail, Ending(cut.value, "", cut.axes, inverse, channel)

    def check(self, path: Path, ending: Ending) -> None:
        """Raise EngineError unless the file gives what the network gave."""
        import onnx

        logits = probe.run(self.source, onnx.load(path), "image", self.images[:1], ["logits"])[0]["logits"]
        classes = len(self.spec.classes)
        if logits.ndim != 4 or logits.shape[::3] != (1, classes) or not np.isfinite(logits).all():
            raise EngineError(f"{self.source}: it gives {logits.shape}, or NaN or infinity, for a picture of noise")
        if ending.layout or ending.inverse or ending.missing:
            return
        expected = probe.as_map(self.runs[0][ending.value], ending.axes).astype(np.float32)
        if ending.channel:
            expected = two_classes(expected, ending.channel)
        if not np.abs(logits[0] - expected).max() <= 1e-3 * max(np.abs(expected).max(), 1e-6):
            raise EngineError(f"{self.source}: the network without its last operators gives other values; report it")

    def check_other_sizes(self, path: Path) -> None:
        """Raise EngineError unless the file covers pictures of other sizes than that of the export."""
        import onnx

        for picture in probe.pictures(self.spec):
            found = probe.run(self.source, onnx.load(path), "image", [picture.image(self.spec)], ["logits"])[0][
                "logits"
            ]
            probe.check_shape(self.source, picture.size, (found.shape[1], found.shape[2]))
            if not np.isfinite(found).all():
                raise EngineError(f"{self.source}: it gives NaN or infinity at {picture.size}: leave input_size out")

    def fed(self, image: Array) -> Array:
        """`image` in the layout and type of the network's own input."""
        given = self.network.input
        if given.type == "uint8":
            image = image.round()
        return image.transpose(0, 2, 3, 1).astype(given.type) if given.layout == "nhwc" else image.astype(given.type)
