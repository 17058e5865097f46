"""The rules of tables that are no bars: what each looks for, how much it matters, what to do.

An *error* marks values that must not be learned from, a *warning* what may mislead and a *note* what is worth knowing.
"""

from collections.abc import Collection
from typing import Final

from components.market.rules import RULES, Rule, Severity


def _rules(severity: Severity, *rules: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(name, severity, "nothing", title, remedy) for name, title, remedy in rules)


_CATALOGUE: Final = (
    RULES["bad_time"],
    *_rules(
        "error",
        ("repeated_key", "Row with the key of an earlier one", "Keep one row per key"),
        ("unpublished_yield", "Yield of 0 that was not published", "Read it as missing"),
        ("empty_totals", "Day without open interest", "Read it as missing"),
        ("bad_contract", "Contract without underlying, expiration, strike or spot", "Leave the row out"),
        ("expired", "Contract that had expired", "Leave the row out"),
        ("not_a_session", "Chain of a day on which the market was closed", "An echo of the day before: leave it out"),
        ("repeated_snapshot", "Chain that repeats the one of the day before", "Leave it out"),
        ("crossed", "Bid above ask", "Leave the quote out"),
        ("implied_vol_too_low", "Implied volatility below 0.0001", "No quote is behind it: leave it out"),
        ("implied_vol_too_high", "Implied volatility above 3", "The vendor's solver found nothing: leave it out"),
        ("bad_action", "Corporate action of unknown type or value", "Write dividend or split, and a number above 0"),
        ("bad_span", "Membership that ends before it starts, or overlaps another", "Correct the two days"),
        ("unknown_sector", "Sector that is none of the eleven of GICS", "Use the names of the standard"),
    ),
    *_rules(
        "warning",
        ("absent_day", "Day of the calendar without a row", "Carry the last value, and say so"),
        ("empty_column", "Column without a single value", "Do not read the column"),
        ("missing_value", "Empty cell", "Carry the last value, and say so"),
        ("partial_snapshot", "Chain that lacks many of its usual contracts", "Take no totals from it"),
        ("absent_snapshot", "Underlying that lacks a day that others have", "The day has no features"),
        ("narrow_chain", "Chain of few contracts", "Put/call ratios and max pain are not those of the chain"),
        ("no_implied_vol", "Contract without an implied volatility", "Leave it out, or solve it from the quote"),
        (
            "returned_symbol",
            "Symbol that left the index and came back",
            "Compare price levels before joining the two",
        ),
    ),
    *_rules(
        "note",
        ("zero_yield", "Yield of 0.00 %", "Keep it: it was one"),
        ("no_bid", "Contract without a bid", "The mid is no price: use the ask as a bound"),
        ("no_ask", "Contract without an ask", "The mid is no price"),
        ("no_volume", "Contract without a volume", "Read it as missing, not as 0"),
        ("stale_volume", "Volume of an earlier day", "It is not of that day: read it as missing"),
        ("no_open_interest", "Contract without an open interest", "Read it as missing, not as 0"),
        ("late_capture", "Snapshot taken after its date", "Count it as known from the capture"),
        ("cut_start", "Membership that starts with the list", "The true start is earlier"),
        ("no_identifier", "Row without the registrant's number (CIK)", "Read the column as nullable whole numbers"),
        ("free_text", "Year of foundation that is no year", "Take the first four digits, or leave it"),
        ("in_two_lists", "Symbol of several lists", "Choose one list before counting"),
    ),
    RULES["rounded_split"],
)

TABLE_RULES: Final = {rule.name: rule for rule in _CATALOGUE}
"""Every rule by its name, in the order of the report."""

_NEEDS: Final = {
    "high": ("flat_bar", "outside_range", "high_below_low", "stray_extreme"),
    "implied_vol": ("no_implied_vol", "implied_vol_too_low", "implied_vol_too_high"),
    "volume": ("no_volume", "bad_volume", "zero_volume", "fractional_volume"),
    "last_trade_time": ("stale_volume",),
    "open_interest": ("no_open_interest", "repeated_snapshot"),
    "timestamp": ("late_capture",),
    "cik": ("no_identifier",),
    "founded": ("free_text",),
    "adj_close": ("adjustment_gap", "adjustment_break"),
    "split_factor": ("wrong_split", "move_on_split"),
    "dividend": ("move_on_dividend",),
}
"""Columns that a table of its kind may lack, and the rules that are not asked without them."""


def unasked(columns: Collection[str]) -> frozenset[str]:
    """Return the rules that need a column that is not there."""
    return frozenset(rule for column, rules in _NEEDS.items() if column not in columns for rule in rules)


def rule_of(name: str) -> Rule:
    """Return a rule of tables, or of bars, which a table of closes is asked too."""
    return TABLE_RULES.get(name) or RULES[name]
