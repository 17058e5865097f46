"""Dropout without fresh random numbers: masks read at random places of one large mask drawn beforehand.

Source: Srivastava et al. (2014), "Dropout", for the masks. On a CPU drawing a mask costs fourteen times
what multiplying by it costs. Masks of different steps overlap; each element is kept with the same chance.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from components.learning.settings import MaskConfig

_ALIGNED = 64
"""Masks start at multiples of this many elements, so that vector instructions read whole cache lines."""

SITES_PER_LAYER = 4
"""Masks of an encoder layer: attention weights, attention output, hidden units, output."""


class MaskPool:
    """One Bernoulli mask of ``num_elements``, holding 0 or 1 / (1 - ``share``), and a random stream of places in it."""

    def __init__(self, share: float, *, num_elements: int, seed: int, device: torch.device) -> None:
        self._places = torch.Generator().manual_seed(seed)
        kept = torch.rand(num_elements, generator=self._places) >= share
        self._masks = {torch.float32: kept.to(device, torch.float32) / (1 - share)}
        self._kept_value = 1 / (1 - share)

    def draw(self, num_sites: int) -> "Masks":
        """Return the masks of one forward pass: a random place for each of its ``num_sites`` dropouts."""
        return Masks(self, tuple(torch.rand(num_sites, generator=self._places, dtype=torch.float64).tolist()))

    def read(self, place: float, like: Tensor) -> Tensor:
        """Return a mask of the shape and format of ``like``; ``place`` in [0, 1) says from where.

        Raises:
            ValueError: If the pool is smaller than the mask.
        """
        whole = self._masks.get(like.dtype)
        if whole is None:
            whole = self._masks[like.dtype] = self._masks[torch.float32].to(like.dtype)
        spare = len(whole) - like.numel()
        if spare < 0:
            raise ValueError(f"a mask of {like.numel()} elements is asked of a pool of {len(whole)}; make it larger")
        start = int(place * (spare // _ALIGNED + 1)) * _ALIGNED
        return whole[start : start + like.numel()].view(like.shape)

    def kept_value(self, dtype: torch.dtype) -> float:
        """Return what the masks of this format hold where nothing is dropped, as rounded by the format."""
        return torch.tensor(self._kept_value, dtype=dtype).item()

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of the random stream, for the checkpoint; the mask follows from the seed."""
        return {"places": self._places.get_state()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the state that ``tensors`` returned."""
        self._places.set_state(tensors["places"])


def mask_pool(config: MaskConfig, share: float, *, largest: int, seed: int, device: torch.device) -> MaskPool | None:
    """Return the pool that a recipe asks for; None where each mask is drawn anew or nothing is dropped.

    ``largest`` counts the elements of the largest mask: the pool holds twice as many at least.
    """
    wanted = config.source == "pool" or (config.source == "auto" and device.type == "cpu")
    if not wanted or share == 0:
        return None
    return MaskPool(share, num_elements=max(config.pool_elements, 2 * largest), seed=seed, device=device)


@dataclass(frozen=True)
class Masks:
    """The masks of one forward pass, by site: a pass that is computed again reads the same ones."""

    pool: MaskPool
    places: tuple[float, ...]

    def drop(self, site: int, values: Tensor) -> Tensor:
        """Return ``values`` after the dropout at ``site``."""
        return values * self.pool.read(self.places[site], values)

    def drop_relu(self, site: int, values: Tensor) -> Tensor:
        """Return ReLU and then dropout of ``values``, which are overwritten."""
        mask = self.pool.read(self.places[site], values)
        return cast("Tensor", _MaskedReLU.apply(values, mask, self.pool.kept_value(values.dtype)))


@dataclass(frozen=True)
class FreshMasks:
    """Masks of torch's own dropout, in the place of those from a pool; none at all outside training."""

    share: float
    training: bool

    def drop(self, site: int, values: Tensor) -> Tensor:
        """Return ``values`` after a dropout; every site has a mask of its own."""
        return dropout(values, self.share, self.training)

    def drop_relu(self, site: int, values: Tensor) -> Tensor:
        """Return ReLU and then dropout of ``values``."""
        return self.drop(site, torch.relu(values))


class _MaskedReLU(torch.autograd.Function):
    """ReLU and mask in place: what is above 0 afterwards was above 0 and kept, so nothing else is remembered."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, mask: Tensor, kept_value: float) -> Tensor:
        ctx.mark_dirty(values)
        values.relu_().mul_(mask)
        ctx.save_for_backward(values)
        ctx.kept_value = kept_value
        return values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad_outputs[0], kept, 0).mul_(ctx.kept_value), None, None


def attend(attention: nn.MultiheadAttention, hidden: Tensor, masks: Masks | FreshMasks, *, site: int) -> Tensor:
    """Return ``hidden`` (batch, time, width) after the attention of every time to all times."""
    batch, time, width = hidden.shape
    head_width = width // attention.num_heads
    projected = linear(hidden, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.view(batch, time, 3, attention.num_heads, head_width).permute(2, 0, 3, 1, 4)
    weights = torch.softmax(torch.matmul(query / math.sqrt(head_width), key.transpose(-1, -2)), dim=-1)
    mixed = torch.matmul(masks.drop(site, weights).to(value.dtype), value)
    return cast("Tensor", attention.out_proj(mixed.transpose(1, 2).reshape(batch, time, width)))


def encode(
    layer: nn.TransformerEncoderLayer,
    hidden: Tensor,
    masks: Masks | FreshMasks,
    *,
    layer_number: int,
    attend: Callable[..., Tensor] = attend,
) -> Tensor:
    """Return ``hidden`` (batch, time, width) after a post-norm ReLU ``layer``, its four dropouts read from ``masks``.

    The layer's own weights are used and its maths, so with masks of ones it is the layer. Another ``attend`` may
    answer for the last times alone; then the rest has only those.
    """
    site, width = SITES_PER_LAYER * layer_number, hidden.shape[2]
    attended = masks.drop(site + 1, attend(layer.self_attn, hidden, masks, site=site))
    hidden = layer.norm1(hidden[:, -attended.shape[1] :] + attended)
    # Rows in two dimensions: a linear layer of three returns a view, and writing to a view costs a copy.
    units = masks.drop_relu(site + 2, layer.linear1(hidden.view(-1, width)))
    output = layer.linear2(units).view_as(hidden)
    return cast("Tensor", layer.norm2(hidden + masks.drop(site + 3, output)))
