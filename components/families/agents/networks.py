"""What the agents' networks are made of: an optional reader of bars, and layers above it."""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence

from torch import Tensor, nn

from components.families.agents.config import NetworkConfig
from components.learning.convolutions import Convolutions


class CNNLSTM(nn.Module):
    """Observed bars read in order: parallel convolutions, then what an LSTM remembers at the last bar.

    Source: system S4 of the requirements; Hochreiter and Schmidhuber (1997), "Long Short-Term Memory".
    """

    def __init__(self, config: NetworkConfig, num_columns: int) -> None:
        super().__init__()
        self.bars, self.num_columns = config.bars, num_columns
        self.convolutions = Convolutions(num_columns, config.channels, config.filter_sizes)
        self.lstm = nn.LSTM(config.channels, config.memory, batch_first=True)

    def forward(self, observation: Tensor) -> Tensor:
        """Return (batch, memory) of (batch, bars x columns), the oldest bar first."""
        bars = observation.view(-1, self.bars, self.num_columns)
        return self.lstm(self.convolutions(bars))[0][:, -1]


def extractor(config: NetworkConfig, observation_size: int) -> tuple[nn.Module, int]:
    """Return what reads an observation, and the width of what it gives."""
    if config.extractor == "flat":
        return nn.Identity(), observation_size
    return CNNLSTM(config, observation_size // config.bars), config.memory


def layers(num_inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Return linear layers of these widths, each followed by a ReLU; the last width is that of the output."""
    parts: list[nn.Module] = []
    for width in hidden:
        parts += [nn.Linear(num_inputs, width), nn.ReLU()]
        num_inputs = width
    return nn.Sequential(*parts)


def body(config: NetworkConfig, observation_size: int) -> nn.Sequential:
    """Return the reader and the layers above it: observations in, ``config.hidden[-1]`` numbers out."""
    reader, width = extractor(config, observation_size)
    return nn.Sequential(reader, *layers(width, config.hidden))
