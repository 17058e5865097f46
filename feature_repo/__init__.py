"""The feature store: entities, views and services, and how they are read point in time."""
