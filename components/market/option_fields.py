"""The 40 option features of an underlying and a day: what each is called, measured in and made of.

``docs/option-features.md`` is written from this table. The formulas share these words: S is the price of the
underlying, K the strike, T the years to expiration (days / 365), F the forward of an expiration, V the volume and
OI the open interest of a contract, P and C sums over puts and calls, and sigma the implied volatility.
"""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["ratio", "fraction", "fraction per year", "variance per year", "price", "currency per 1 % move"]
Input = Literal["volume", "open_interest", "quotes", "realised_vol"]


@dataclass(frozen=True)
class OptionFeature:
    """One column of the view ``options_v1``."""

    name: str
    unit: Unit
    needs: tuple[Input, ...]
    """Without one of these the feature is NaN; all need strike, expiration and the underlying's price."""
    formula: str


_V: tuple[Input, ...] = ("volume",)
_OI: tuple[Input, ...] = ("open_interest",)
_Q: tuple[Input, ...] = ("quotes",)

OPTION_FEATURES = (
    OptionFeature("put_call_volume", "ratio", _V, "P V / C V"),
    OptionFeature("put_call_volume_near", "ratio", _V, "P V / C V, up to 30 days"),
    OptionFeature("put_call_volume_otm", "ratio", _V, "V of puts K < S / V of calls K > S"),
    OptionFeature("put_call_premium", "ratio", ("volume", "quotes"), "P (V x mid) / C (V x mid)"),
    OptionFeature("put_call_open_interest", "ratio", _OI, "P OI / C OI"),
    OptionFeature("put_call_open_interest_near", "ratio", _OI, "P OI / C OI, up to 30 days"),
    OptionFeature("put_call_open_interest_otm", "ratio", _OI, "OI of puts K < S / OI of calls K > S"),
    OptionFeature("max_pain", "price", _OI, "listed K at which all open contracts pay least; the lowest of equals"),
    OptionFeature("max_pain_distance", "fraction", _OI, "max_pain / S - 1"),
    OptionFeature("max_pain_distance_next", "fraction", _OI, "the same for the next expiration of 1 day or more"),
    OptionFeature("max_pain_relief", "fraction", _OI, "1 - (payout at max_pain) / (payout at S)"),
    OptionFeature("call_wall_distance", "fraction", _OI, "(K with the largest call OI) / S - 1; the lowest of equals"),
    OptionFeature("put_wall_distance", "fraction", _OI, "(K with the largest put OI) / S - 1; the lowest of equals"),
    OptionFeature(
        "gamma_exposure",
        "currency per 1 % move",
        ("open_interest", "quotes"),
        "sum of +-1 x gamma x OI x 100 x S^2 x 0.01, 1 day or more; + calls, - puts (dealers long calls, short puts)",
    ),
    OptionFeature(
        "gamma_exposure_near", "currency per 1 % move", ("open_interest", "quotes"), "gamma_exposure up to 30 days"
    ),
    OptionFeature(
        "gamma_exposure_balance",
        "fraction",
        ("open_interest", "quotes"),
        "gamma_exposure / the same sum without signs: 1 all calls, -1 all puts",
    ),
    OptionFeature(
        "zero_gamma",
        "price",
        ("open_interest", "quotes"),
        "S nearest to today's, within 30 %, at which gamma_exposure would change sign, each sigma held",
    ),
    OptionFeature("zero_gamma_distance", "fraction", ("open_interest", "quotes"), "zero_gamma / S - 1"),
    OptionFeature(
        "atm_vol_7d", "fraction per year", _Q, "sigma at K = F, interpolated to 7 days in total variance sigma^2 T"
    ),
    OptionFeature("atm_vol_30d", "fraction per year", _Q, "the same at 30 days"),
    OptionFeature("atm_vol_60d", "fraction per year", _Q, "the same at 60 days"),
    OptionFeature("atm_vol_90d", "fraction per year", _Q, "the same at 90 days"),
    OptionFeature("term_slope_7_30", "fraction per year", _Q, "atm_vol_30d - atm_vol_7d"),
    OptionFeature("term_slope_30_90", "fraction per year", _Q, "atm_vol_90d - atm_vol_30d"),
    OptionFeature("forward_vol_30_90", "fraction per year", _Q, "sqrt((90 atm_vol_90d^2 - 30 atm_vol_30d^2) / 60)"),
    OptionFeature(
        "risk_reversal_25d",
        "fraction per year",
        _Q,
        "sigma of the 25-delta call - of the 25-delta put, 30 days, forward deltas, options out of the money",
    ),
    OptionFeature("butterfly_25d", "fraction per year", _Q, "mean sigma of the 25-delta call and put - atm_vol_30d"),
    OptionFeature("skew_90_110", "fraction per year", _Q, "sigma at K = 0.9 F - sigma at K = 1.1 F, 30 days"),
    OptionFeature("risk_reversal_25d_90d", "fraction per year", _Q, "risk_reversal_25d at 90 days instead of 30"),
    OptionFeature(
        "implied_carry_30d", "fraction per year", _Q, "ln(F / S) / T at 30 days, F by put-call parity near the money"
    ),
    OptionFeature("vol_premium", "fraction per year", ("quotes", "realised_vol"), "atm_vol_30d - realised volatility"),
    OptionFeature(
        "variance_premium", "variance per year", ("quotes", "realised_vol"), "atm_vol_30d^2 - realised volatility^2"
    ),
    OptionFeature(
        "expected_move_next", "fraction", _Q, "price of the straddle at F / S, next expiration of 1 day or more"
    ),
    OptionFeature("expected_move_30d", "fraction", _Q, "the same at 30 days, its square interpolated in T"),
    OptionFeature("volume_turnover", "ratio", ("volume", "open_interest"), "V / OI"),
    OptionFeature("volume_share_7d", "fraction", _V, "V of contracts of 0 to 7 days / V"),
    OptionFeature("open_interest_share_7d", "fraction", _OI, "OI of contracts of 0 to 7 days / OI"),
    OptionFeature("strike_dispersion", "fraction", _OI, "standard deviation of K / S, weighted by OI"),
    OptionFeature("no_bid_share", "fraction", _Q, "contracts without a bid / contracts with any quote, be it 0"),
    OptionFeature("median_spread", "fraction", _Q, "median of (ask - bid) / mid, contracts with a usable quote"),
)
"""All features, in the order of the view's columns."""


def markdown() -> str:
    """Return the page ``docs/option-features.md``."""
    lines = [
        "# Option features",
        "",
        "The columns of `options_v1`, one row per underlying and day. This page is written from the table in",
        "`components/market/option_fields.py`; a test compares the two.",
        "",
        "Words: S price of the underlying, K strike, T years to expiration (days / 365), F forward of an expiration,",
        "V volume, OI open interest, P and C sums over puts and calls, sigma implied volatility. A contract has 100",
        "shares. A feature is NaN, never 0, where an input that it needs is missing. Nothing is extrapolated beyond",
        "the quoted tenors and strikes, nor interpolated between strikes more than 15 % of F or 0.25 of delta apart.",
        "",
        "| feature | unit | needs | formula |",
        "|---|---|---|---|",
        *(f"| `{it.name}` | {it.unit} | {', '.join(it.needs)} | {it.formula} |" for it in OPTION_FEATURES),
    ]
    return "\n".join(lines) + "\n"
