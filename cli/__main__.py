"""``python -m cli``: the same as ``qf``."""

from cli.main import main

main()
