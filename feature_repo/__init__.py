"""The feature store: entities, views and services, and how they are read point in time."""

from typing import Any

import typeguard

_typechecked = typeguard.typechecked


def _typechecked_unless_of_feast(target: Any = None, **options: Any) -> Any:
    """Decorate like typeguard, but leave Feast's classes as they are written.

    Feast asks typeguard to check its arguments at run time. For that each of its methods has its whole module parsed
    again at import: half of the seven CPU seconds that this takes in each process that opens the store.
    """
    if getattr(target, "__module__", "").startswith("feast."):
        return target
    return _typechecked(target, **options)


typeguard.typechecked = _typechecked_unless_of_feast
