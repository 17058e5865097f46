"""What a run shows while it runs."""

import time
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from cli.console import console, shown, told
from components.core.files import read_json
from pipelines.request import RunRequest


class Progress:
    """One line per step with its time, a bar inside training; plain lines where there is no terminal."""

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        self._console = console()
        self._bar = Bar(
            TextColumn("  {task.fields[step]:<9}"), BarColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[text]}"), console=self._console, transient=True,
        )  # fmt: skip
        self._task: Any = None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._console.print(f"run [bold]{self._request.run_key}[/]\nlogs {shown(self._request.folder / 'logs')}")
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._console.print(
            f"  {'ended' if kind is None else 'stopped'} after {time.monotonic() - self._started:.1f} s\n"
        )

    def on_event(self, event: dict[str, Any]) -> None:
        """Show one event of a step."""
        step, state = str(event["step"]), event.get("event")
        if state == "started":
            self._begin(step)
        elif state in {"finished", "failed"}:
            self._end(step, event["elapsed_s"], failed=state == "failed")
        else:
            self._advance(event)

    def _begin(self, step: str) -> None:
        if self._console.is_terminal:
            self._task = self._bar.add_task(step, total=None, step=step, text="")

    def _end(self, step: str, elapsed_s: float, *, failed: bool) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        line = "failed" if failed else told(step, read_json(self._request.folder / f"{step}.json"))
        mark = "[red]x[/]" if failed else "[green]*[/]"
        self._console.print(f"{mark} {step:<9}{elapsed_s:6.1f} s  {line}")

    def _advance(self, event: dict[str, Any]) -> None:
        if self._task is not None and "total" in event:
            self._bar.update(self._task, completed=event["done"], total=event["total"], text=event.get("text", ""))
        if "line" in event:
            self._console.print(f"            {event['line']}")
