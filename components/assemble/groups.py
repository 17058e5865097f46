"""Examples of each group of symbols by itself: a stock for a model of its own, or the few of a portfolio."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from pathlib import Path
from typing import Any

from components.assemble.examples import examples_table
from components.assemble.stocks import STOCKS, lack, write_groups
from components.core import family as families
from components.core.errors import DataError
from components.core.files import digest_of, fresh_folder, write_json
from components.core.groups import groups_of
from components.core.run_context import open_run


def assemble_groups(
    features: str, family: str, recipe: str, groups: str, part: str, *, out: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the examples of each group, with the sealed holdout, to its folder below ``out``; return the facts of all.

    ``groups`` is as in ``groups_of``, ``part`` what they are called in the run. Time is cut once for all of them. A
    group of which a symbol has no example is left out and named; if none is left, that is an error.
    """
    with open_run(f"assemble-{part}", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        examples, source = examples_table(Path(features), member, config)
        there = set(examples["symbol"])
        left_out = dict[str, DataError]()
        for name, symbols in (wanted := groups_of(groups)).items():
            if absent := [symbol for symbol in symbols if symbol not in there]:
                left_out[name] = lack(Path(features), member, absent[0])
                run.log.warning("%s is left out: %s", name, left_out[name])
        chosen = {name: symbols for name, symbols in wanted.items() if name not in left_out}
        if not chosen:
            raise next(iter(left_out.values()))
        with fresh_folder(Path(out)) as folder:
            digests = write_groups(
                folder, chosen, examples, source, member=member, config=config, features=Path(features)
            )
            told = {"stocks": digests, "left_out": {name: str(error) for name, error in left_out.items()}}
            write_json(folder / STOCKS, {**told, "dataset": source["dataset"]})
        num_rows = sum(int(examples["symbol"].isin(symbols).sum()) for symbols in chosen.values())
        facts = {"digest": digest_of(digests), "rows": num_rows, "service": member.feature_service}
        run.record(**facts, **told, groups=part)
        return facts
