"""Step: judge a bundle on data that it never saw."""
