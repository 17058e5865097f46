"""500 symbols x 1,260 days x 100 crossovers with stops and costs, against vectorbt's ``from_signals``."""

import warnings

import measure

# isort: split
import numpy as np
import numpy.typing as npt

warnings.filterwarnings("ignore")  # those of vectorbt's own imports
import vectorbt as vbt
from vectorbt.returns.nb import max_drawdown_nb, sharpe_ratio_nb

from components.trading import grid
from components.trading.candles import Candles
from components.trading.engine import trade
from components.trading.settings import TradingConfig

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SYMBOLS, DAYS = 500, 1260
WINDOWS = np.array([(fast, slow) for fast in range(5, 25, 2) for slow in range(30, 130, 10)])
PEER_SYMBOLS, ENGINE_SYMBOLS, ROUNDS = 20, 1, 7
CHUNKS = (1, 2, 5)
"""Symbols that vectorbt simulates at a time: few stay in the cache, many save calls."""
CONFIG = TradingConfig(
    capital=100_000.0, commission=0.001, slippage=0.0005, max_position=0.2, stop_loss=0.05, take_profit=0.15
)
PEER_YEAR = 365.0
"""Days that vectorbt's Sharpe ratio counts a year as, of daily bars."""


def market(rng: np.random.Generator) -> Candles:
    """Return random walks whose opens differ from the closes before them."""
    close = 80 * np.exp(np.cumsum(0.015 * rng.standard_normal((SYMBOLS, DAYS)), axis=1))
    before = np.concatenate([np.full((SYMBOLS, 1), 80.0), close[:, :-1]], axis=1)
    opens = before * np.exp(0.005 * rng.standard_normal(close.shape))
    high = np.maximum(opens, close) * (1 + 0.008 * rng.random(close.shape))
    low = np.minimum(opens, close) * (1 - 0.008 * rng.random(close.shape))
    days = np.datetime64("2020-01-01T00:00", "us") + np.arange(DAYS) * np.timedelta64(1, "D")
    return Candles(tuple(f"S{place}" for place in range(SYMBOLS)), days, opens, high, low, close)


def entries_and_exits(candles: Candles) -> tuple[Flags, Flags]:
    """Return on which bars an order is filled, [bar, symbol x set]; none is begun on the last bar."""
    signals = np.stack([grid.crossover(candles.close, fast, slow) for fast, slow in WINDOWS], axis=1) > 0
    columns = signals.reshape(-1, candles.timestamp.size).T
    before = np.concatenate([np.zeros((1, columns.shape[1]), dtype=np.bool_), columns[:-1]])
    empty = np.zeros((1, columns.shape[1]), dtype=np.bool_)
    entries, exits = (np.concatenate([empty, flags[:-1]]) for flags in (columns & ~before, before & ~columns))
    return entries, exits


class Peer:
    """vectorbt on some symbols, its signals computed before."""

    def __init__(self, candles: Candles, *, chunk: int, stops: bool = True) -> None:
        self.stops = stops
        width = chunk * len(WINDOWS)
        cuts = range(0, len(candles.symbols) * len(WINDOWS), width)
        named = ("open", "high", "low", "close")
        prices = {name: np.repeat(getattr(candles, name), len(WINDOWS), axis=0).T for name in named}
        flags = entries_and_exits(candles)
        # Chunks of their own, row by row: vectorbt copies anything else, and takes four times as long.
        self.chunks = [
            (
                {name: np.ascontiguousarray(values[:, cut : cut + width]) for name, values in prices.items()},
                [np.ascontiguousarray(values[:, cut : cut + width]) for values in flags],
            )
            for cut in cuts
        ]

    def simulated(self, place: int) -> vbt.Portfolio:
        """Return the portfolios of one chunk of symbols."""
        prices, orders = self.chunks[place]
        levels = {"sl_stop": CONFIG.stop_loss, "tp_stop": CONFIG.take_profit} if self.stops else {}
        return vbt.Portfolio.from_signals(
            prices["close"], *orders, price=prices["open"], open=prices["open"], high=prices["high"],
            low=prices["low"], size=CONFIG.stake, size_type="value", init_cash=CONFIG.capital, fees=CONFIG.commission,
            slippage=CONFIG.slippage, stop_entry_price="fillprice", stop_exit_price="stopmarket", freq="1D", **levels,
        )  # fmt: skip

    def simulate(self) -> None:
        """Only simulate."""
        for place in range(len(self.chunks)):
            self.simulated(place)

    def figures(self) -> Floats:
        """Return total return, Sharpe ratio and drawdown, [figure, symbol x set]; what is common is cached."""
        found: list[Floats] = []
        for place in range(len(self.chunks)):
            portfolio = self.simulated(place)
            named = (portfolio.total_return, portfolio.sharpe_ratio, portfolio.max_drawdown)
            found.append(np.stack([np.asarray(figure()) for figure in named]))
        return np.concatenate(found, axis=1)

    def figures_by_hand(self) -> Floats:
        """Return the same from the equity alone, by vectorbt's compiled functions: fewer passes than its methods."""
        found: list[Floats] = []
        for place in range(len(self.chunks)):
            value = self.simulated(place).value().to_numpy()
            before = np.concatenate([np.full((1, value.shape[1]), CONFIG.capital), value[:-1]])
            net = value / before - 1
            figures = (value[-1] / CONFIG.capital - 1, sharpe_ratio_nb(net, PEER_YEAR, 0.0, 1), max_drawdown_nb(net))
            found.append(np.stack(figures))
        return np.concatenate(found, axis=1)


def sweep(candles: Candles, config: TradingConfig = CONFIG) -> grid.Sweep:
    """Return our figures, averages and checks of the bars included."""
    return grid.sweep_crossovers(candles, WINDOWS, [config] * len(WINDOWS), bars_per_year=PEER_YEAR)


def with_engine(candles: Candles) -> None:
    """Run the scalar reference over all sets of some symbols."""
    for fast, slow in WINDOWS:
        trade(candles, grid.crossover(candles.close, fast, slow), CONFIG)


def same_rules(candles: Candles, config: TradingConfig) -> Flags:
    """Return the runs, [symbol x set], in which vectorbt's rules and ours ask for the same.

    It leaves open what is held at the end, looks for no level in the bar of the entry, and in a bar at whose open a
    position is left looks for its levels first, though those are reached later in the bar.
    """
    same: list[bool] = []
    place = {time: bar for bar, time in enumerate(candles.timestamp)}
    for symbol in range(len(candles.symbols)):
        one = candles.only([symbol])
        for fast, slow in WINDOWS:
            trades = trade(one, grid.crossover(one.close, fast, slow), config).trades
            bars = [(item, place[item.exit_time]) for item in trades if item.reason == "signal"]
            stop, target = (level or np.inf for level in (config.stop_loss, config.take_profit))
            clear = all(
                one.low[0, bar] > item.entry_price * (1 - stop) and one.high[0, bar] < item.entry_price * (1 + target)
                for item, bar in bars
            )
            clear &= all(item.entry_time < item.exit_time for item in trades)
            same.append(clear and trades[-1].reason != "end")
    return np.array(same)


def compare(candles: Candles) -> None:
    """Print how far our figures are from vectorbt's, in all runs and where the rules ask for the same."""
    free = {"stop_loss": None, "take_profit": None}
    for title, config in (("without stops", CONFIG.model_copy(update=free)), ("with stops", CONFIG)):
        ours = sweep(candles, config)
        theirs = Peer(candles, chunk=CHUNKS[1], stops=config is CONFIG).figures()
        same = same_rules(candles, config)
        print(f"\nDifference to vectorbt, {title}: {same.size} runs, {same.sum()} of them by the same rules")
        for name, their in zip(("total_return", "sharpe", "max_drawdown"), theirs, strict=True):
            mine = getattr(ours, name).ravel()
            apart = np.abs(mine - their)
            correlation = float(np.corrcoef(mine, their)[0, 1])
            print(f"{name:14} median {np.median(apart):.1e}  largest {apart.max():.1e}  correlation {correlation:.6f}"
                  f"  same rules: largest {apart[same].max():.1e}")  # fmt: skip


def main() -> None:
    """Measure and print."""
    candles = market(np.random.default_rng(0))
    few, one = candles.only(range(PEER_SYMBOLS)), candles.only(range(ENGINE_SYMBOLS))
    compare(few)
    runs = len(WINDOWS)
    peers = {chunk: Peer(few, chunk=chunk) for chunk in CHUNKS}
    whole, peer_rows = SYMBOLS * DAYS * runs, PEER_SYMBOLS * DAYS * runs
    contenders = {"ours, whole grid": measure.Contender(lambda: sweep(candles), whole)}
    for chunk, peer in peers.items():
        contenders[f"vectorbt, {chunk} symbols a call"] = measure.Contender(peer.figures, peer_rows)
    best = peers[CHUNKS[1]]
    np.testing.assert_allclose(best.figures_by_hand(), best.figures(), atol=1e-9)
    contenders["vectorbt, 2 symbols a call, figures by hand"] = measure.Contender(best.figures_by_hand, peer_rows)
    contenders["vectorbt, 2 symbols a call, no figures"] = measure.Contender(best.simulate, peer_rows)
    contenders["scalar engine"] = measure.Contender(lambda: with_engine(one), ENGINE_SYMBOLS * DAYS * runs, 1, 1)
    results = measure.measure(contenders, rounds=ROUNDS)
    measure.show(f"{SYMBOLS} symbols x {DAYS} days x {runs} sets; a row is a bar of a run", results, against={})
    for name in contenders:
        if name != "ours, whole grid":
            print(f"  ours, whole grid / {name}: {measure.ratio(results['ours, whole grid'], results[name]):,.0f}x")


if __name__ == "__main__":
    main()
