"""Examples of each stock by itself, under a name of its own: what a fleet of twins is trained and judged on."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from components.assemble.examples import describe, examples_table, write_examples
from components.core import family as families
from components.core.errors import DataError
from components.core.family import Family
from components.core.files import checked_symbol, digest_of, fresh_folder, write_json
from components.core.recipe import RecipeConfig
from components.core.run_context import open_run
from components.core.workspace import of_stock

STOCKS = "stocks.json"
"""Digest of each stock's examples by ticker, and why some have none."""


def assemble_stocks(
    features: str, family: str, recipe: str, tickers: str, *, out: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the examples of each stock to a folder of its name below ``out`` and return the facts of all.

    ``tickers`` are separated by commas; empty is every stock that there is. Time is cut once for all of them. A stock
    without examples is left out and named; if none has any, that is an error.
    """
    with open_run("assemble", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        examples, source = examples_table(Path(features), member, config)
        there = examples["symbol"].unique().tolist()
        wanted = [checked_symbol(ticker.strip(), file="tickers") for ticker in tickers.split(",") if ticker.strip()]
        absent = {ticker: lack(Path(features), member, ticker) for ticker in wanted if ticker not in there}
        for error in absent.values():
            run.log.warning("left out: %s", error)
        if absent and len(absent) == len(set(wanted)):
            raise next(iter(absent.values()))
        chosen = sorted(set(wanted or there) & set(there))
        with fresh_folder(Path(out)) as folder:
            groups = {ticker: (ticker,) for ticker in chosen}
            digests = write_groups(
                folder, groups, examples, source, member=member, config=config, features=Path(features)
            )
            told = {"stocks": digests, "left_out": {ticker: str(error) for ticker, error in absent.items()}}
            write_json(folder / STOCKS, {**told, "dataset": source["dataset"]})
        num_rows = int(examples["symbol"].isin(chosen).sum())
        facts = {"digest": digest_of(digests), "rows": num_rows, "service": member.feature_service}
        run.record(**facts, **told, columns=len(member.reads(config)), num_symbols=len(chosen))
        return facts


def write_groups(
    folder: Path,
    groups: Mapping[str, Sequence[str]],
    examples: pd.DataFrame,
    source: dict[str, Any],
    *,
    member: Family,
    config: RecipeConfig,
    features: Path,
) -> dict[str, str]:
    """Write the examples of each group of symbols to the folder of its name, and return their digests."""
    digests: dict[str, str] = {}
    for name, symbols in groups.items():
        (folder / name).mkdir()
        rows = examples[examples["symbol"].isin(symbols)].reset_index(drop=True)
        manifest = describe(rows, member, config, {**source, "dataset": of_stock(source["dataset"], name)})
        digests[name] = write_examples(folder / name, rows, manifest, features)["digest"]
    return digests


def lack(features: Path, member: Family, ticker: str) -> DataError:
    """Return what a stock lacks of what the family reads: the view without a whole row of it is named."""
    for view, columns in member.columns.items():
        table = pq.read_table(features / f"{view}.parquet", columns=["symbol", *columns])
        rows = table.to_pandas()
        rows = rows[rows["symbol"] == ticker]
        if not len(rows):
            remedy = "Ingest its bars, or take it from the tickers"
            return DataError(f"{ticker} has no row of {view}", file=view, column="symbol", row=None, remedy=remedy)
        known = np.isfinite(rows[list(columns)].to_numpy())
        if not known.all(axis=1).any():
            column = _first_unknown(columns, known.any(axis=0).tolist())
            return DataError(
                f"{ticker} has {len(rows)} bars and no day with all of {view}",
                file=view,
                column=column,
                remedy="beta_252 and liquidity_regime need 252 bars and more: ingest a longer history of it",
            )
    return DataError(
        f"{ticker} has no day with a row of every view", file=", ".join(member.columns), remedy="Ingest its bars anew"
    )


def _first_unknown(columns: Sequence[str], known: Sequence[bool]) -> str | None:
    return next((column for column, found in zip(columns, known, strict=True) if not found), None)
