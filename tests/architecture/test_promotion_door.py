"""One door leads to the ledger of promotions: the promote step. Who else opens it turns this red."""

import ast
from pathlib import Path

import pytest

PACKAGES = ("cli", "components", "feature_repo", "pipelines")
DOOR = "components/promote/promotion.py"
MAY_READ = {"components/core/registry.py", "components/core/workspace.py", DOOR}
LEDGERS = {"components/core/workspace.py", "components/market/history.py"}
ALIASES = {"components/promote/tracking.py"}


def called(tree: ast.AST) -> list[tuple[str, set[str | None]]]:
    """Return the name of each call, without what is before the last dot, and its keywords, in the order of lines."""
    calls = sorted((node for node in ast.walk(tree) if isinstance(node, ast.Call)), key=lambda node: node.lineno)
    return [
        (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""),
            {keyword.arg for keyword in node.keywords},
        )
        for node in calls
    ]


def breaches(top: Path) -> list[str]:
    """Return each file that reaches for the promotions, or for the champion's alias, and may not."""
    found: list[str] = []
    for path in sorted(path for package in PACKAGES for path in (top / package).rglob("*.py")):
        name = path.relative_to(top).as_posix()
        calls = called(ast.parse(path.read_text(encoding="utf-8")))
        names = {call for call, _ in calls}
        if "promotions" in names and name not in MAY_READ:
            found.append(f"{name}: opens the ledger of promotions")
        if "Ledger" in names and name not in LEDGERS:
            found.append(f"{name}: makes a ledger of its own")
        writes = any(call == "append" and "expect" in keywords for call, keywords in calls) or "append_if" in names
        if writes and "promotions" in names and name != DOOR:
            found.append(f"{name}: writes to the ledger of promotions")
        if {"set_registered_model_alias", "delete_registered_model_alias"} & names and name not in ALIASES:
            found.append(f"{name}: moves an alias")
    return found


def test_only_the_promote_step_writes_to_the_ledger_of_promotions(top: Path) -> None:
    assert breaches(top) == []


def test_the_door_itself_asks_for_the_signed_verdict_before_it_writes(top: Path) -> None:
    tree = ast.parse((top / DOOR).read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    writers = {name for name, node in functions.items() if ("append", {"expect"}) in called(node)}
    assert writers == {"enter", "roll_back"}
    order = [name for name, _ in called(functions["enter"])]
    asked = [order.index(name) for name in ("read_verified", "check_binding", "check_passed", "shortfalls")]
    assert max(asked) < order.index("append")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("workspace.promotions('f', 'd').append({}, expect=0)", "writes to the ledger"),
        ("workspace.promotions('f', 'd').append_if(lambda entries: {})", "writes to the ledger"),
        ("workspace.promotions('f', 'd').read()", "opens the ledger"),
        ("Ledger(root / 'ledger' / 'promotions').append({}, expect=0)", "a ledger of its own"),
        ("client.set_registered_model_alias('m', 'champion', '1')", "moves an alias"),
    ],
)
def test_another_way_in_turns_it_red(tmp_path: Path, line: str, words: str) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    (tmp_path / "cli" / "shortcut.py").write_text(line)
    assert any(words in breach for breach in breaches(tmp_path))
