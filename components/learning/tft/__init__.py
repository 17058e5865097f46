"""The Temporal Fusion Transformer of Lim et al. (2021); importing this package itself loads no torch."""
