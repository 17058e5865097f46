"""Groups of symbols as one line of text: ``AAPL,MSFT`` are two of one symbol, ``AAPL/MSFT,KO/PEP`` two of two."""

from collections.abc import Iterable, Sequence

from components.core.errors import UsageError
from components.core.files import checked_symbol


def groups_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the symbols of each group, by its name, in the order of the text.

    Raises:
        UsageError: If there is none, or two have one name.
        DataError: If a symbol is none.
    """
    groups = [
        tuple(checked_symbol(symbol.strip(), file="groups") for symbol in part.split("/")) for part in _parts(text)
    ]
    named = {name_of(symbols): symbols for symbols in groups}
    if not groups or len(named) < len(groups):
        raise UsageError(f"{text!r:.80}: name one group of symbols or more, each once, such as AAPL/MSFT,KO/PEP")
    return named


def pairs_of(text: str) -> list[tuple[str, ...]]:
    """Return the portfolios that a person names: ``AAPL-MSFT,KO-PEP``, and with '/' where a symbol holds '-'.

    Raises:
        UsageError: If there is none, or one has fewer than two different symbols.
    """
    pairs = [tuple(symbol.strip() for symbol in part.split("/" if "/" in part else "-")) for part in _parts(text)]
    if bad := [
        part for part, symbols in zip(_parts(text), pairs, strict=True) if len(set(symbols)) < max(2, len(symbols))
    ]:
        raise UsageError(f"{bad[0]!r:.80}: a portfolio wants two or more different symbols, such as AAPL-MSFT")
    if not pairs:
        raise UsageError("no pair is named. Name some, such as AAPL-MSFT,KO-PEP")
    return pairs


def name_of(symbols: Sequence[str]) -> str:
    """Return the name of a group: its symbols."""
    return "-".join(symbols)


def text_of(groups: Iterable[Sequence[str]]) -> str:
    """Return the text that ``groups_of`` reads."""
    return ",".join("/".join(symbols) for symbols in groups)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
