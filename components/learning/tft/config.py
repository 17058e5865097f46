"""Sizes of a Temporal Fusion Transformer. Importing this loads no torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from components.core.config import Config

Origins = Literal["exact", "dense"]
"""Whether each window of a slab is computed by itself, or the slab once with a forecast from every origin."""


class TftConfig(Config):
    """Sizes of the network; the published ones for daily volatility are 160 wide with a dropout of 0.3."""

    hidden: PositiveInt = 32
    """Width of every layer. Twice the width is about four times the work."""

    continuous: Annotated[int, Field(ge=2)] = 16
    """Width of each variable's own network, below that of the layers."""

    heads: PositiveInt = 4
    """Heads of the attention; they share their values, which is what makes their mean readable."""

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of units left out in training, before every gate. More against overfitting."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden must be a multiple of heads, was {self.hidden} with {self.heads} heads")
        if self.continuous >= self.hidden:
            raise ValueError(f"continuous must be below hidden, was {self.continuous} of {self.hidden}")
        return self
