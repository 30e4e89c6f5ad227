"""Read the lists and dictionaries of a YAML file, with the line of what is unclear in it."""

import re
from typing import Any

SUFFIXES = (".yaml", ".yml")

_MOST_CHARACTERS = 2_000_000
"""PyYAML reads about 400,000 characters per second; its faster parser crashes on deep nesting."""


def read_yaml(text: str) -> Any:
    """Return lists, dictionaries, whole numbers and strings; "no" and "1e3" are strings here.

    Raises:
        ValueError: the reason, with the line.
    """
    import yaml

    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has more than {_MOST_CHARACTERS:,} characters of YAML")
    try:
        return _Reader().value(yaml.compose(text, yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise ValueError(f"{_line(error.problem_mark)}{reason}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("its lists are nested too deeply") from error


class _Reader:
    """Turns nodes into values, each of them once: aliases can multiply without limit."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def value(self, node: Any) -> Any:
        if node is None:
            return ""
        if id(node) in self._seen:
            raise ValueError(f"{_line(node.start_mark)}it is used again with an alias (*)")
        self._seen.add(id(node))
        if node.id == "sequence":
            return [self._given(each) for each in node.value]
        if node.id == "mapping":
            return self._dictionary(node)
        plain = node.style is None and re.fullmatch(r"0|[1-9]\d{0,8}", node.value)
        return int(node.value) if plain else str(node.value)

    def _dictionary(self, node: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node.start_mark)
            key = self.value(key_node)
            if isinstance(key, (list, dict)):
                raise ValueError(f"{line}a key is a list or a dictionary")
            if key in found:
                raise ValueError(f"{line}the key {key!r} occurs twice")
            found[key] = self._given(value_node) if isinstance(key, int) else self.value(value_node)
        return found

    def _given(self, node: Any) -> Any:
        """Return the value of an entry that stands for a class."""
        value = self.value(node)
        if value == "":
            raise ValueError(f"{_line(node.start_mark)}a class has no name")
        return value


def _line(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}: "
