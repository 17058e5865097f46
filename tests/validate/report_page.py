"""A report as a test reads it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags, attributes and texts of a page; unbalanced tags are an error."""

    VOID = frozenset({"meta", "br", "circle", "line", "path", "rect"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.classes: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.around: list[tuple[str, ...]] = []
        """Of each tag, the classes of the elements that it lies in."""
        self.texts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._note(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)
            self.classes.append(dict(attrs).get("class", ""))

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self._note(tag, attrs)

    def _note(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        self.around.append(tuple(self.classes))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.classes.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def check(self) -> None:
        """Check what every page keeps: nothing from outside, charts in words, tables that scroll inside themselves."""
        assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in self.tags}
        named = {"src", "href", "srcset", "onload", "onclick"}
        assert not [attrs for _, attrs in self.tags if named & attrs.keys()]
        ids = [attrs["id"] for _, attrs in self.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        charts = [attrs for tag, attrs in self.tags if tag == "svg" and attrs.get("role") == "img"]
        assert all(attrs["aria-labelledby"].split() == self._said_of(attrs) for attrs in charts)
        hidden = [attrs for tag, attrs in self.tags if tag == "svg" and attrs.get("role") != "img"]
        assert all(attrs["aria-hidden"] == "true" for attrs in hidden)  # the table beside it says it in words
        tables = [around for (tag, _), around in zip(self.tags, self.around, strict=True) if tag == "table"]
        assert all({"card", "scroll"} & set(around) for around in tables)
        assert len([tag for tag, _ in self.tags if tag == "h1"]) == 1

    def _said_of(self, chart: dict) -> list[str]:
        wanted = chart["aria-labelledby"].split()
        return [attrs["id"] for tag, attrs in self.tags if tag in {"title", "desc"} and attrs.get("id") in wanted]

    @property
    def text(self) -> str:
        return " ".join(self.texts)
