"""Step: put the champions of a dataset where their consumers look for them, and the pointer to them last."""

BUCKET, REGION = "investment-system-data", "us-east-1"
"""Where the published models go unless something else is named."""
FAMILIES = "regime,health"
