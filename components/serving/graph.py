"""What an ONNX graph may hold, read from its bytes before any runtime sees them.

Only the standard operators, one flat graph, and tensors that lie in the file in full. Refused:
other operator domains, functions, graphs inside graphs (loops, branches), data in other files,
sparse and string tensors, and tensors that declare more than they bring.

Source: the messages of ``onnx.proto`` (ONNX IR version 10) in the protobuf wire format.
"""

import math
from collections.abc import Iterator
from typing import Final

from components.core.errors import ArtifactError

Value = int | memoryview

_DOMAINS: Final = (b"", b"ai.onnx")
_BYTES_PER_ELEMENT: Final = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}
"""By data type: float, uint8, int8, int32, int64, bool, float16, double, bfloat16."""
_VARINT_BYTES: Final = 10
_IN_THIS_FILE: Final = 0


def check_graph(content: bytes, *, name: str) -> None:
    """Return if the model in ``content`` is one that may be run; ``name`` is the file that messages name.

    Raises:
        ArtifactError: If it is not, or if it is no ONNX model.
    """
    try:
        _check_model(memoryview(content))
    except _Refused as refused:
        raise ArtifactError(f"{name}: {refused}. Do not run it; train it again") from None


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    """Why a graph is refused."""


def _varint(buffer: memoryview, place: int) -> tuple[int, int]:
    """Return the number at ``place`` and the place after it."""
    number = 0
    for count, byte in enumerate(buffer[place : place + _VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 - the high bit says that more follows
            return number, place + count + 1
    raise _Refused("it is no ONNX model: a number has no end")


def _fields(buffer: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the number and the value of each field of a message."""
    place = 0
    while place < len(buffer):
        key, place = _varint(buffer, place)
        match key & 7:
            case 0:
                value, place = _varint(buffer, place)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, place = _varint(buffer, place)
            case 5:
                size = 4
            case kind:
                raise _Refused(f"it is no ONNX model: wire type {kind}")
        if size > len(buffer) - place:
            raise _Refused(f"it declares {size} bytes where {len(buffer) - place} are left")
        yield key >> 3, buffer[place : place + size]
        place += size


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise _Refused("it is no ONNX model: a number where a message belongs")
    return value


def _check_model(buffer: memoryview) -> None:
    num_graphs = 0
    for field, value in _fields(buffer):
        match field:
            case 7:
                num_graphs += 1
                _check_main(_message(value))
            case 8:
                _check_domain(next((item for key, item in _fields(_message(value)) if key == 1), b""))
            case 20 | 25:
                raise _Refused("it brings functions or training graphs of its own")
            case _:
                pass
    if num_graphs != 1:
        raise _Refused(f"it is no ONNX model: {num_graphs} graphs")


def _check_domain(value: Value | bytes) -> None:
    domain = b"" if isinstance(value, int) else bytes(value)
    if domain not in _DOMAINS:
        raise _Refused(f"operators of domain {domain.decode(errors='replace')!r:.60} are not allowed")


def _check_main(buffer: memoryview) -> None:
    for field, value in _fields(buffer):
        match field:
            case 1:
                _check_node(_message(value))
            case 5:
                _check_tensor(_message(value))
            case 15:
                raise _Refused("it holds a sparse tensor")
            case _:
                pass


def _check_node(buffer: memoryview) -> None:
    for field, value in _fields(buffer):
        if field == 7:  # noqa: PLR2004 - its domain
            _check_domain(value)
        elif field == 5:  # noqa: PLR2004 - an attribute
            for kind, item in _fields(_message(value)):
                match kind:
                    case 5 | 10:
                        _check_tensor(_message(item))
                    case 6 | 11:
                        raise _Refused("it holds a graph inside the graph: a loop or a branch")
                    case 22 | 23:
                        raise _Refused("it holds a sparse tensor")
                    case _:
                        pass


def _check_tensor(buffer: memoryview) -> None:
    elements, size, raw, listed = 1, None, None, 0
    for field, value in _fields(buffer):
        match field:
            case 1:
                elements *= value if isinstance(value, int) else math.prod(_packed(value))
            case 2 if isinstance(value, int):
                size = _BYTES_PER_ELEMENT.get(value)
            case 9:
                raw = len(_message(value))
            case 13 | 14 if value != _IN_THIS_FILE:
                raise _Refused("it points to data in another file")
            case 4 | 5 | 7 | 10 | 11:
                listed += 1 if isinstance(value, int) else len(value)
            case _:
                pass
    if size is None:
        raise _Refused("it holds a tensor of texts, or of a type that is not known here")
    if elements > listed if raw is None else elements * size != raw:
        raise _Refused(f"a tensor declares {elements} elements but brings {listed if raw is None else raw} bytes")


def _packed(buffer: memoryview) -> list[int]:
    numbers: list[int] = []
    place = 0
    while place < len(buffer):
        number, place = _varint(buffer, place)
        numbers.append(number)
    return numbers
