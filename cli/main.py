"""The ``qf`` command. Subcommands are imported when they are called, so that help answers at once."""

import importlib
import sys
from collections.abc import Sequence

import click

from components.core.errors import USAGE, QuantfoundryError

COMMANDS = {
    "run": ("cli.run", "Train a family, or let its champion predict, on this machine, start to finish."),
    "monthly": ("cli.monthly", "Train regime and health on fresh data, judge both, publish the champions."),
    "train": ("cli.train", "Train one model from a parquet file of ready features, without a judge."),
    "tune": ("cli.tune", "Search for a better recipe on the validation zone; every trial is counted."),
    "cv": ("cli.cv", "Cross-validate a recipe on purged folds of the days before the test zone."),
    "backtest": ("cli.backtest", "Trade a model's signals over bars, with costs, stops and limits."),
    "paper": ("cli.paper", "Let a promoted model trade on paper over bars, one at a time; no order leaves."),
    "champion": ("cli.champion", "Show which model serves, and since when."),
    "trials": ("cli.trials", "Show every model that was tried, and what the best of them owes to luck."),
    "card": ("cli.card", "Print the model card of a version, or of what a run judged."),
    "rollback": ("cli.champion", "Return to the champion before this one."),
    "backup": ("cli.backup", "Write all models and ledgers to one signed archive."),
    "restore": ("cli.backup", "Put the models and ledgers of an archive below a root, every byte checked."),
    "lineage": ("cli.lineage", "Walk from a promoted version to the files that were read for it; check every link."),
    "replay": ("cli.replay", "Judge a promoted version once more, from the bars on, and compare every number."),
    "config": ("cli.config", "Show recipes and every setting with its default."),
    "compile": ("cli.compile", "Compile the pipelines, or check that the committed ones are up to date."),
    "plan": ("cli.plan", "Print what each step of a pipeline asks for and can cost; refuse over a budget."),
    "submit": ("cli.submit", "Upload a pipeline to a Kubeflow Pipelines server, run it there, follow the run."),
    "retrain": ("cli.retrain", "Start a training on a server if the champion's newest monitoring asks for one."),
    "upload": ("cli.submit", "Upload the compiled pipelines to a Kubeflow Pipelines server, without running them."),
    "release-notes": ("cli.release_notes", "Say what changed between two versions of the compiled pipelines."),
    "schedules": ("cli.schedules", "Plan, apply and compare the recurring runs of a Kubeflow Pipelines server."),
    "probe": ("cli.probe", "Look for data and features that lie: look-ahead, restated pasts, shifted labels."),
    "gates": ("cli.gates", "Judge the judge: plant bad models, count how often noise passes."),
    "setup-test": ("cli.setup_test", "One real batch through a family: device, rows, windows, success."),
    "doctor": ("cli.doctor", "Check the installation; name the remedy for what is missing."),
    "promises": ("cli.promises", "List the promises that no test carries yet."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="quantfoundry", prog_name="qf")
def qf() -> None:
    """Train, judge and promote market models.

    Exit codes: 0 done (a refused model is a result, not an error), 2 over a budget, 64 usage,
    65 bad data or configuration, 75 interrupted: the same command resumes.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    try:
        code = qf.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except QuantfoundryError as error:
        click.echo(f"qf: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except click.Abort:
        sys.exit(USAGE)
    sys.exit(code if isinstance(code, int) else 0)
