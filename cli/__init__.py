"""The ``qf`` command: a thin layer over the pipelines."""
