"""Examples of each stock by itself, under a name of its own: what a fleet of twins is trained and judged on."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from components.assemble.examples import describe, examples_table, write_examples
from components.core import family as families
from components.core.errors import DataError
from components.core.family import Family
from components.core.files import checked_symbol, digest_of, fresh_folder, write_json
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
        digests: dict[str, str] = {}
        with fresh_folder(Path(out)) as folder:
            for ticker in chosen:
                (folder / ticker).mkdir()
                rows = examples[examples["symbol"] == ticker].reset_index(drop=True)
                named = {**source, "dataset": of_stock(source["dataset"], ticker)}
                manifest = describe(rows, member, config, named)
                digests[ticker] = write_examples(folder / ticker, rows, manifest, Path(features))["digest"]
            told = {"stocks": digests, "left_out": {ticker: str(error) for ticker, error in absent.items()}}
            write_json(folder / STOCKS, {**told, "dataset": source["dataset"]})
        num_rows = int(examples["symbol"].isin(chosen).sum())
        facts = {"digest": digest_of(digests), "rows": num_rows, "service": member.feature_service}
        run.record(**facts, **told, columns=len(member.reads(config)), num_symbols=len(chosen))
        return facts


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
