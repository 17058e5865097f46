"""The tune step: workers that share one search over recipes, and what they found."""
