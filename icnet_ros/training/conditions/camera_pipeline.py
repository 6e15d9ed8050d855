"""What a cheap camera does to a picture: demosaicing, noise of the sensor, and JPEG."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

RANDOM_NUMBERS = 3  # of a crop
# Quantisation tables of the JPEG standard (ITU T.81, annex K), for quality 50.
LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
)


def through_camera(pixels: Tensor, draws: Tensor) -> Tensor:
    """Pictures (N, 3, h, w) in 0..255, blue, green, red, as a camera with a Bayer sensor sends them as JPEG.

    Half of the crops are demosaiced, three quarters compressed, with a quality of 25 to 95. draws: (N, RANDOM_NUMBERS)
    in 0..1.
    """
    mosaic, compressed = draws[:, 0, None, None, None] < 0.5, draws[:, 1, None, None, None] < 0.75
    pixels = torch.where(mosaic, demosaic(pixels), pixels)
    return torch.where(compressed, jpeg(pixels, 25 + 70 * draws[:, 2]), pixels)


def demosaic(pixels: Tensor) -> Tensor:
    """Bilinear demosaicing of the Bayer mosaic (green, red / blue, green) of the pictures."""
    keep = torch.zeros(3, 2, 2, device=pixels.device)
    keep[1, 0, 0] = keep[1, 1, 1] = keep[2, 0, 1] = keep[0, 1, 0] = 1
    height, width = pixels.shape[-2:]
    mask = keep.repeat(1, (height + 1) // 2, (width + 1) // 2)[:, :height, :width].expand(len(pixels), -1, -1, -1)
    kernel = torch.tensor([1.0, 2.0, 1.0], device=pixels.device)
    kernel = (kernel[:, None] * kernel)[None, None]

    def spread(values: Tensor) -> Tensor:
        return F.conv2d(values.flatten(0, 1)[:, None], kernel, padding=1).view_as(values)

    return torch.where(mask > 0, pixels, spread(pixels * mask) / spread(mask.contiguous()))


def jpeg(pixels: Tensor, quality: Tensor) -> Tensor:
    """Pictures compressed as JPEG with half the resolution of colour; quality: (N,), 1..100, as libjpeg's."""
    height, width = pixels.shape[-2:]
    padded = F.pad(pixels, (0, -width % 16, 0, -height % 16), mode="replicate")
    blue, green, red = padded.unbind(1)
    luma = 0.114 * blue + 0.587 * green + 0.299 * red
    chroma = torch.stack([0.564 * (blue - luma), 0.713 * (red - luma)], dim=1)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None, None, None]
    luma = _quantised(luma[:, None] - 128, _table(LUMINANCE, pixels.device), scale)[:, 0] + 128
    chroma = _quantised(F.avg_pool2d(chroma, 2), _table(CHROMINANCE, pixels.device), scale)
    cb, cr = F.interpolate(chroma, scale_factor=2, mode="bilinear").unbind(1)
    colours = torch.stack([luma + cb / 0.564, luma - 0.344 * cb - 0.714 * cr, luma + cr / 0.713], dim=1)
    return colours[..., :height, :width].clamp(0, 255)


def _quantised(planes: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """Planes (N, C, h, w) whose 8x8 blocks lost what the quantisation table rounds away; scale: (N, 1, 1, 1, 1)."""
    count, channels, height, width = planes.shape
    basis = _cosines(planes.device)
    blocks = planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    frequencies = basis @ blocks @ basis.T
    step = (table * scale[..., None]).clamp(min=1)
    frequencies = (frequencies / step).round() * step
    return (basis.T @ frequencies @ basis).transpose(3, 4).reshape(planes.shape)


@cache
def _cosines(device: torch.device) -> Tensor:
    """Matrix (8, 8) of the orthonormal discrete cosine transform."""
    k, n = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    basis = torch.cos(torch.pi * (2 * n + 1) * k / 16) / 2
    basis[0] /= 2**0.5
    return basis.to(device)


@cache
def _table(values: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).view(8, 8)
