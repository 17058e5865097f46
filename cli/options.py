"""Options that several commands share."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import click

from components.core.errors import UsageError
from components.core.registry import datasets
from components.core.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_ROOT = ".quantfoundry"


def _workspace(context: click.Context, parameter: click.Parameter, value: str) -> Workspace:
    return Workspace.at(value)


def companion_options(command: Command) -> Command:
    """Add ``--context`` and ``--options``: where the tables beside the bars are."""
    context = click.option(
        "--context",
        default="",
        help="Folder, or s3:// prefix, with the funds, yields and news tone behind the market's context.",
    )
    options = click.option("--options", default="", help="Parquet file of option chains, here or at s3://.")
    return context(options(command))


def root_option(command: Command) -> Command:
    """Add ``--root``: where runs, models and ledgers lie."""
    return click.option(
        "--root",
        default=lambda: os.environ.get("QF_HOME", DEFAULT_ROOT),
        show_default=f"$QF_HOME, else {DEFAULT_ROOT}",
        callback=_workspace,
        help="Where runs, models and ledgers are kept.",
    )(command)


def server_options(command: Command) -> Command:
    """Add ``--host`` and ``--namespace``: the Kubeflow Pipelines server, handed on as one ``address``."""

    @click.option("--host", envvar="KF_PIPELINES_ENDPOINT", default="", help="Server; in a pod, its own cluster's.")
    @click.option("--namespace", envvar="KF_PIPELINES_NAMESPACE", default="", help="Of the user, where users have one.")
    @functools.wraps(command)
    def with_address(*args: Any, host: str, namespace: str, **kwargs: Any) -> Any:
        from pipelines.remote import Address  # noqa: PLC0415 - only these commands have the client of a server

        return command(*args, address=Address.found(host, namespace), **kwargs)

    return cast("Command", with_address)


def chosen_dataset(workspace: Workspace, family: str, dataset: str) -> str:
    """Return the dataset to act on: the one named, or the only one there is.

    Raises:
        UsageError: If it is not known, or none is named and there is not exactly one.
    """
    return one_of(datasets(workspace, family), dataset, family=family, done="promoted")


def one_of(known: Sequence[str], dataset: str, *, family: str, done: str) -> str:
    """Return the dataset that is named, or the only one of the ``known``, on which the family was ``done``.

    Raises:
        UsageError: As in ``chosen_dataset``.
    """
    if dataset:
        if dataset not in known:
            raise UsageError(f"{family}: never {done} on {dataset!r}. There is {', '.join(known) or 'none'}")
        return dataset
    if len(known) != 1:
        raise UsageError(f"{family}: {done} on {', '.join(known) or 'no dataset yet'}; name one with --dataset")
    return known[0]
