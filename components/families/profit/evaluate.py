"""What an evaluation of the validation zone is worth: the numbers that the history records, and the book."""

# pyright: reportUnknownMemberType=false
import torch

from components.families.profit.config import ProfitConfig
from components.families.profit.data import Dataset, Ends
from components.families.profit.loss import allocate, profit_loss
from components.families.profit.predict import Said


def metrics(said: Said, ends: Ends, data: Dataset, config: ProfitConfig) -> dict[str, float]:
    """Return the objective of the zone traded as one path, and the squared error of the expected return.

    Both are of the samples ``ends`` (sample, 2); the error is in the variance of the training returns, 1 for a model
    that says nothing.
    """
    symbol, time = torch.from_numpy(ends).unbind(1)
    first, num_symbols = int(time.min()), len(data.outcomes.known)
    span = slice(first, int(time.max()) + 1)
    score, expected = torch.zeros(2, num_symbols, span.stop - first)
    score[symbol, time - first] = torch.from_numpy(said.score).float()
    expected[symbol, time - first] = torch.from_numpy(said.expected_return).float()
    traded, close, known = (
        values[:, span].T[None].cpu() for values in (data.outcomes.traded, data.outcomes.close, data.outcomes.known)
    )
    weights = allocate(score.T[None], known, head=config.model.head)
    errors = (expected.T[None] - close) / data.scale
    loss = profit_loss(weights, traded, errors, known, config.objective, scale=data.scale)
    price = (errors.square() * known).sum() / known.sum().clamp_min(1)
    return {"loss": loss.item(), "price_mse": price.item()}
