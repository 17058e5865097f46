"""Floor 2: costs, backtests and the statistics that judge them."""
