"""Option features of volume and open interest: put/call ratios, max pain, walls, where and when positions lie.

Source of max pain: Ni, Pearson and Poteshman (2005), "Stock price clustering on option expiration dates".
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from typing import Final

import numpy as np

from components.market.option_chain import CALL, PUT, Chain
from components.market.ragged import Codes, Flags, Floats, count, first_marked, ratio, total

NEAR_DAYS: Final = 30
WEEK_DAYS: Final = 7


def positioning(chain: Chain) -> dict[str, Floats]:
    """Return the features made of volume, open interest and listing alone, each [snapshot]."""
    num = len(chain.symbol)
    owner, days = chain.snapshot[chain.slice], chain.days[chain.slice]
    volume, interest = chain.volume, chain.open_interest
    near, week = days <= NEAR_DAYS, days <= WEEK_DAYS
    spot = chain.spot[owner]
    outside = np.stack([chain.strike > spot, chain.strike < spot], axis=1)
    everywhere = np.ones(len(owner), dtype=np.bool_)
    all_volume, all_interest = (total(owner, _both(values), num) for values in (volume, interest))
    return {
        "put_call_volume": _put_call(owner, volume, everywhere, num),
        "put_call_volume_near": _put_call(owner, volume, near, num),
        "put_call_volume_otm": _put_call(owner, np.where(outside, volume, np.nan), everywhere, num),
        "put_call_premium": _put_call(owner, volume * (chain.bid + chain.ask) / 2, everywhere, num),
        "put_call_open_interest": _put_call(owner, interest, everywhere, num),
        "put_call_open_interest_near": _put_call(owner, interest, near, num),
        "put_call_open_interest_otm": _put_call(owner, np.where(outside, interest, np.nan), everywhere, num),
        **_max_pain(chain, owner, everywhere),
        "call_wall_distance": _wall(owner, chain.strike, interest[:, CALL], num) / chain.spot - 1,
        "put_wall_distance": _wall(owner, chain.strike, interest[:, PUT], num) / chain.spot - 1,
        "volume_turnover": ratio(all_volume, all_interest),
        "volume_share_7d": _share(owner, _both(volume), week, num),
        "open_interest_share_7d": _share(owner, _both(interest), week, num),
        "strike_dispersion": _dispersion(owner, chain.strike / spot, _both(interest), num),
        "no_bid_share": ratio(_sides(owner, chain.unbid, num), _sides(owner, chain.priced, num)),
    }


def max_pain(group: Codes, strike: Floats, interest: Floats, num_groups: int) -> Floats:
    """Return the strike at which the contracts open, [node, 2], pay their holders least; NaN where none is open.

    What they pay is convex in the price and its slope just above a strike is the call interest up to it less the
    put interest above it. So the least is at the lowest strike where all interest up to it reaches that of puts.
    """
    order = np.lexsort((strike, group))
    group, strike, interest = group[order], strike[order], np.nan_to_num(interest[order])
    open_here = interest.sum(axis=1)
    kept = open_here > 0
    group, strike, interest, open_here = group[kept], strike[kept], interest[kept], open_here[kept]
    running = np.cumsum(open_here)
    opened = np.bincount(group, open_here, minlength=num_groups)
    puts = np.bincount(group, interest[:, PUT], minlength=num_groups)
    before = np.cumsum(opened) - opened
    first = first_marked(group, running - before[group] >= puts[group], num_groups)
    return np.append(strike, np.nan)[first]


def payout(group: Codes, strike: Floats, interest: Floats, price: Floats, num_groups: int) -> Floats:
    """Return what all contracts, [node, 2], pay per share if each group expires at its ``price``."""
    above = price[group] - strike
    paid = interest * np.stack([np.maximum(above, 0), np.maximum(-above, 0)], axis=1)
    return total(group, _both(paid), num_groups)


def next_slice(chain: Chain) -> Codes:
    """Return each snapshot's next expiration of 1 day or more, as a slice, -1 where there is none."""
    return first_marked(chain.snapshot, chain.days >= 1, len(chain.symbol))


def _max_pain(chain: Chain, owner: Codes, everywhere: Flags) -> dict[str, Floats]:
    num, strike, interest = len(chain.symbol), chain.strike, chain.open_interest
    is_next = np.zeros(len(chain.days), dtype=np.bool_)
    upcoming = next_slice(chain)
    is_next[upcoming[upcoming >= 0]] = True
    pains = [max_pain(owner[rows], strike[rows], interest[rows], num) for rows in (everywhere, is_next[chain.slice])]
    least = payout(owner, strike, interest, pains[0], num)
    relief = 1 - ratio(least, payout(owner, strike, interest, chain.spot, num))
    return {
        "max_pain": pains[0],
        "max_pain_distance": pains[0] / chain.spot - 1,
        "max_pain_distance_next": pains[1] / chain.spot - 1,
        "max_pain_relief": relief,
    }


def _both(values: Floats) -> Floats:
    """Return calls plus puts of [node, 2]; NaN only where neither is known."""
    unknown = np.isnan(values).all(axis=1)
    return np.where(unknown, np.nan, np.nansum(values, axis=1))


def _put_call(owner: Codes, values: Floats, rows: Flags, num: int) -> Floats:
    calls, puts = (total(owner[rows], values[rows, side], num) for side in (CALL, PUT))
    return ratio(puts, calls)


def _share(owner: Codes, values: Floats, rows: Flags, num: int) -> Floats:
    """Return the share of a group's sum that lies in ``rows``: 0 where the group is known and they are none."""
    everything = total(owner, values, num)
    part = np.nan_to_num(total(owner[rows], values[rows], num))
    return ratio(np.where(np.isnan(everything), np.nan, part), everything)


def _sides(owner: Codes, marked: Flags, num: int) -> Floats:
    return (count(owner, marked[:, CALL], num) + count(owner, marked[:, PUT], num)).astype(np.float64)


def _wall(owner: Codes, strike: Floats, interest: Floats, num: int) -> Floats:
    """Return the strike with the largest interest over all expirations, the lowest of equals."""
    kept = interest > 0
    owner, strike, interest = owner[kept], strike[kept], interest[kept]
    order = np.lexsort((strike, owner))
    owner, strike, interest = owner[order], strike[order], interest[order]
    starts = np.append(True, (owner[1:] != owner[:-1]) | (strike[1:] != strike[:-1]))[: len(owner)]
    at = np.flatnonzero(starts)
    summed = np.bincount(np.cumsum(starts) - 1, interest, minlength=len(at))
    owner, strike = owner[at], strike[at]
    order = np.lexsort((strike, -summed, owner))
    first = first_marked(owner[order], np.ones(len(owner), dtype=np.bool_), num)
    return np.append(strike[order], np.nan)[first]


def _dispersion(owner: Codes, place: Floats, weight: Floats, num: int) -> Floats:
    opened = total(owner, weight, num)
    mean = ratio(total(owner, weight * place, num), opened)
    return np.sqrt(ratio(total(owner, weight * np.square(place - mean[owner]), num), opened))
