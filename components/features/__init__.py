"""Step: compute features, register them in Feast, fill the online store."""
