"""The texts of a search space, and what each family searches by itself."""

import pytest

from components.core import family as families
from components.core.config import with_overrides
from components.core.errors import UsageError
from components.core.search import Options, Range, parse_choice
from components.families.hybrid import FAMILY


@pytest.mark.promise("S4-60")
@pytest.mark.promise("S4-61")
def test_the_hybrid_search_is_the_published_one() -> None:
    assert FAMILY.search == {
        "train.lr": Range(1e-5, 1e-2, log=True),
        "train.batch": Options((16, 32, 64, 128)),
        "model.cnn.hidden_dim": Options((128, 256, 512)),
        "model.dropout": Range(0.1, 0.5),
    }
    assert FAMILY.metric == "val_sharpe_ratio"


@pytest.mark.parametrize("member", families.every(), ids=lambda member: member.name)
def test_every_value_that_a_family_searches_is_one_of_its_recipe(member: families.Family) -> None:
    values = member.recipe(member.default_recipe).model_dump(mode="json")
    for key, choice in member.search.items():
        ends = choice.values if isinstance(choice, Options) else (choice.low, choice.high)
        for value in ends:
            member.config.parse(with_overrides(values, [f"{key}={value}"], name="t"), name="t")


@pytest.mark.promise("S4-86")
def test_a_space_is_a_text() -> None:
    texts = [
        "train.lr=1e-5..1e-1:log",
        "model.lstm.num_layers=1..4",
        "model.lstm.hidden_dim=64..512",
        "train.batch=16,32",
    ]
    assert dict(map(parse_choice, texts)) == {
        "train.lr": Range(1e-5, 1e-1, log=True),
        "model.lstm.num_layers": Range(1, 4),
        "model.lstm.hidden_dim": Range(64, 512),
        "train.batch": Options((16, 32)),
    }
    assert isinstance(parse_choice("a=1..4")[1].low, int)


@pytest.mark.parametrize(
    "text", ["train.lr", "=1..2", "a=", "a=2..1", "a=0..1:log", "a=1..2:linear", "a=one,two", "a=1.."]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--space"):
        parse_choice(text)
