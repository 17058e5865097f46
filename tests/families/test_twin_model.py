"""The twin's layers against plain modules, and what gate, pull and options must do."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, softplus

from components.families.twin.config import ModelConfig, TwinConfig
from components.families.twin.model import ENCODED, REGIMES, Samples, Shape, losses, pull, say, sentiment
from components.market.columns import OPTIONS

HIDDEN, HORIZON, LEVELS = 6, 3, (0.1, 0.5, 0.9)
TWINS, BATCH = 3, 5
QUANTILES = torch.tensor(LEVELS)


def shape(*, options: bool) -> Shape:
    return Shape(ModelConfig(adapter=4, correction=7, options_enabled=options), HIDDEN, HORIZON, LEVELS)


def samples(*, options: bool, seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> Tensor:
        return torch.randn(TWINS, BATCH, *size, generator=generator)

    width = len(OPTIONS) if options else 0
    return Samples(
        state=draw(HORIZON, HIDDEN), quantile=draw(HORIZON, 3).sort(dim=-1).values, scale=draw(HORIZON).exp(),
        options=draw(width), pain=draw(HORIZON), fear=torch.tanh(draw(1)), move=draw(HORIZON),
        regime=torch.randint(len(REGIMES), (TWINS, BATCH), generator=generator),
    )  # fmt: skip


def parameters(of: Shape, *, moved: float = 0.0) -> dict[str, Tensor]:
    """Return stacked parameters, away from where they begin by a random part of ``moved``."""
    flat = torch.stack([of.start(seed) for seed in range(TWINS)])
    flat = flat + moved * torch.randn(flat.shape, generator=torch.Generator().manual_seed(9))
    return of.layout.views(flat)


class PlainTwin(nn.Module):
    """One twin out of torch's own layers, written without regard to the stacked form."""

    def __init__(self, stacked: dict[str, Tensor], place: int) -> None:
        super().__init__()
        own = {name: values[place] for name, values in stacked.items()}

        def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
            layer = nn.Linear(*weight.shape, bias=bias is not None)
            layer.weight = nn.Parameter(weight.T.contiguous())
            if bias is not None:
                layer.bias = nn.Parameter(bias.clone())
            return layer

        self.down = linear(own["adapter_down"], own["adapter_down_bias"])
        self.up = linear(own["adapter_up"], None)
        self.regime = linear(own["regime"], own["regime_bias"])
        inner = torch.cat([own["correction_state"], own["correction_context"]])
        self.inner = linear(inner, own["correction_bias"])
        self.outer = linear(own["correction_out"], own["correction_out_bias"])
        if "encoder" in own:
            self.encoder = linear(own["encoder"], own["encoder_bias"])
            self.pull = linear(own["pull"], own["pull_bias"])
            self.gate = linear(own["gate"], own["gate_bias"])

    def forward(self, seen: Samples) -> tuple[Tensor, Tensor]:
        state = seen.state + self.up(gelu(self.down(seen.state)))
        encoded = gelu(self.encoder(seen.options)) if seen.options.shape[-1] else seen.options
        regime = self.regime(torch.cat([state.mean(dim=1), encoded], dim=-1))
        context = torch.cat([torch.softmax(regime, dim=-1), encoded], dim=-1)
        every_step = context[:, None].expand(-1, HORIZON, -1)
        corrected = self.outer(torch.tanh(self.inner(torch.cat([state, every_step], dim=-1))))
        quantile = seen.quantile + corrected
        if seen.options.shape[-1]:
            shift = torch.sigmoid(self.pull(encoded)) * seen.pain + softplus(self.gate(encoded)) * seen.fear
            quantile = quantile + shift[..., None]
        return quantile, regime


def of_one(seen: Samples, place: int) -> Samples:
    return Samples(*(values[place] for values in vars(seen).values()))


@pytest.mark.parametrize("options", [False, True])
def test_stacked_twins_say_and_learn_what_plain_modules_do(options: bool) -> None:
    of, seen = shape(options=options), samples(options=options)
    stacked = {name: values.clone().requires_grad_() for name, values in parameters(of, moved=0.3).items()}
    said = say(stacked, seen)
    total = losses(stacked, seen, QUANTILES, regime_weight=0.2)
    total.sum().backward()
    for place in range(TWINS):
        plain, own = PlainTwin({name: values.detach() for name, values in stacked.items()}, place), of_one(seen, place)
        quantile, regime = plain(own)
        torch.testing.assert_close(said.quantile[place], quantile, rtol=0, atol=1e-5)
        torch.testing.assert_close(said.regime[place], regime, rtol=0, atol=1e-5)
        error = own.move[..., None] - quantile
        pinball = torch.where(error > 0, QUANTILES * error, (QUANTILES - 1) * error).mean(dim=(1, 2))
        loss = pinball + 0.2 * cross_entropy(regime, own.regime, reduction="none")
        torch.testing.assert_close(total[place], loss, rtol=0, atol=1e-5)
        loss.sum().backward()
        assert plain.inner.weight.grad is not None
        mine = stacked["correction_state"].grad
        assert mine is not None
        torch.testing.assert_close(mine[place], plain.inner.weight.grad.T[:HIDDEN], rtol=1e-4, atol=1e-5)


def test_untrained_without_options_it_says_what_the_foundation_says() -> None:
    of, seen = shape(options=False), samples(options=False)
    assert torch.equal(say(parameters(of), seen).quantile, seen.quantile)


@pytest.mark.promise("S0-25")
def test_the_encoder_makes_32_numbers_of_the_40_features() -> None:
    assert shape(options=True).layout.shapes["encoder"] == (40, 32) == (len(OPTIONS), ENCODED)
    assert not [name for name in shape(options=False).layout.shapes if name.startswith(("encoder", "pull", "gate"))]


@pytest.mark.promise("S0-26")
def test_the_pull_is_towards_max_pain_and_never_beyond_it() -> None:
    of, seen = shape(options=True), samples(options=True)
    encoded = 5 * torch.randn(TWINS, BATCH, ENCODED, generator=torch.Generator().manual_seed(1))
    shift = pull(parameters(of, moved=1.0), encoded, seen)
    assert torch.equal(shift.sign(), seen.pain.sign())
    assert (shift.abs() <= seen.pain.abs()).all()
    assert (shift.abs() / seen.pain.abs()).max() > 0.5


@pytest.mark.promise("S0-27")
def test_the_gate_goes_against_the_crowd() -> None:
    of, seen = shape(options=True), samples(options=True)
    encoded = 5 * torch.randn(TWINS, BATCH, ENCODED, generator=torch.Generator().manual_seed(1))
    shift = sentiment(parameters(of, moved=1.0), encoded, seen)
    assert torch.equal(shift.sign(), seen.fear.sign())  # more puts than usual: up
    assert (shift[seen.fear > 0] > 0).all()


@pytest.mark.promise("S0-28")
def test_what_the_encoder_says_enters_the_regime_detector_and_the_correction() -> None:
    of, seen = shape(options=True), samples(options=True)
    stacked = parameters(of, moved=0.3)
    other = Samples(**{**vars(seen), "options": seen.options + 1.0})
    assert not torch.allclose(say(stacked, other).regime, say(stacked, seen).regime)
    without = {**stacked, "regime": stacked["regime"].clone(), "pull": 0 * stacked["pull"], "gate": 0 * stacked["gate"]}
    without["regime"][:, HIDDEN:] = 0  # neither detector, nor gate, nor pull: what is left is the correction's own way
    assert torch.equal(say(without, other).regime, say(without, seen).regime)
    assert not torch.allclose(say(without, other).quantile, say(without, seen).quantile)


@pytest.mark.promise("S0-29")
def test_encoder_pull_and_gate_all_receive_gradient() -> None:
    of, seen = shape(options=True), samples(options=True)
    stacked = {name: values.clone().requires_grad_() for name, values in parameters(of, moved=0.1).items()}
    losses(stacked, seen, QUANTILES, regime_weight=0.1).sum().backward()
    for name, values in stacked.items():
        assert values.grad is not None, name
        assert (values.grad.flatten(1).norm(dim=1) > 0).all(), name


@pytest.mark.parametrize(
    ("promise", "key", "expected"),
    [
        pytest.param("S0-17", ("train", "lr"), 5e-4, marks=pytest.mark.promise("S0-17")),
        pytest.param("S0-18", ("train", "batch"), 64, marks=pytest.mark.promise("S0-18")),
        pytest.param("S0-19", ("train", "epochs"), 20, marks=pytest.mark.promise("S0-19")),
        pytest.param("S0-20", ("data", "lookback_days"), 180, marks=pytest.mark.promise("S0-20")),
        pytest.param("S0-21", ("train", "weight_decay"), 1e-5, marks=pytest.mark.promise("S0-21")),
        pytest.param("S0-22", ("model", "options_enabled"), False, marks=pytest.mark.promise("S0-22")),
    ],
)
def test_the_defaults_are_the_published_ones(promise: str, key: tuple[str, str], expected: Any) -> None:
    group, name = key
    assert TwinConfig().model_dump()[group][name] == expected, promise
