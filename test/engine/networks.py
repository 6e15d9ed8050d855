"""Small segmentation networks with the interfaces that exported networks have."""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import nn

CLASSES = {
    "name": "three",
    "classes": [
        {"name": "road", "colour": [128, 64, 128]},
        {"name": "car", "colour": [0, 0, 142]},
        {"name": "sky", "colour": [70, 130, 180]},
    ],
}
DESCRIPTION = {
    "classes": CLASSES,
    "channel_order": "rgb",
    "value_range": 1,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


class Small(nn.Module):
    """Three convolutions; logits (N, 3, H / stride, W / stride) with each class somewhere on a picture."""

    def __init__(self, stride=8, *, softmax=False, argmax=False, channels_last=False, normalise=False, full=False):
        super().__init__()
        generator = torch.Generator().manual_seed(stride)
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, stride // 2, 1)
        self.last = nn.Conv2d(8, 3, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / max(parameter[0].numel(), 1) ** 0.5
        self.last.bias.data.zero_()
        self.softmax, self.argmax, self.channels_last, self.normalise = softmax, argmax, channels_last, normalise
        self.full = full  # interpolate the logits to the size of the image

    def logits(self, image):
        logits = self.last(F.relu(self.second(F.relu(self.first(image)))))
        return 3 * (logits - logits.mean((2, 3), keepdim=True))

    def forward(self, image):
        if self.channels_last:
            image = image.permute(0, 3, 1, 2)
        if self.normalise:
            image = image.float() / 255 - 0.5
        logits = self.logits(image)
        if self.full:
            logits = F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)
        if self.argmax:
            return logits.argmax(1)
        if self.softmax:
            logits = logits.softmax(1)
        return logits.permute(0, 2, 3, 1) if self.channels_last else logits


def export(network, path, *, size=None, description=None, dtype=torch.float32):
    """Write the network and its description; size: (height, width) if it is to take only that."""
    network.eval()
    height, width = size or (64, 96)
    image = torch.zeros(1, height, width, 3) if network.channels_last else torch.zeros(1, 3, height, width)
    rows = 1 if network.channels_last else 2
    axes = {"picture": {rows: "h", rows + 1: "w"}, "answer": {1: "a", 2: "b", 3: "c"}}
    if network.argmax:
        axes["answer"].pop(3)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (image.to(dtype),), str(path), dynamo=False, input_names=["picture"], output_names=["answer"],
            dynamic_axes=None if size else axes, opset_version=17,
        )  # fmt: skip
    if description is not None:
        path.with_suffix(".yaml").write_text(yaml.safe_dump(description))
    return path


def picture(height=120, width=200, seed=0):
    coarse = torch.rand(1, 3, 9, 14, generator=torch.Generator().manual_seed(seed))
    full = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return np.ascontiguousarray((255 * full)[0].permute(1, 2, 0).byte().numpy())
