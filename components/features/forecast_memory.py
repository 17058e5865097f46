"""What a forecaster said of each window, kept below the root: a killed step goes on, the next one asks what is new.

A folder holds the answers of one forecaster in files ``<sha256 of the file>.parquet``: the digest of each window, and
what was said of it. Several processes may write to it at once.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import logging
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import atomic_file

Floats = npt.NDArray[np.float64]
Window = npt.NDArray[np.float32]

KEPT_TOGETHER: Final = 256
"""Answers to a file while a step is at work: at most so many does a kill cost."""
_DIGEST_BYTES: Final = 16


def digest_of_window(window: Window) -> bytes:
    """Return the name under which an answer about a window is kept."""
    return hashlib.blake2b(window.tobytes(), digest_size=_DIGEST_BYTES).digest()


class ForecastMemory:
    """The answers of one forecaster."""

    def __init__(self, folder: Path, log: logging.Logger) -> None:
        """Read the answers in ``folder``; what a damaged file held is unknown again, and said aloud."""
        self.folder = folder
        self.known: dict[bytes, Floats] = {}
        self._unsaved: dict[bytes, Floats] = {}
        self._files = sorted(folder.glob("*.parquet"))
        for file in self._files:
            self._read(file, log)

    def keep(self, window: bytes, said: Floats) -> None:
        """Remember what was said of the window with this digest."""
        self.known[window] = self._unsaved[window] = said
        if len(self._unsaved) == KEPT_TOGETHER:
            self.save()

    def save(self) -> None:
        """Write the answers that no file holds yet."""
        if self._unsaved:
            self._files.append(self._write(self._unsaved))
            self._unsaved = {}

    def merge(self) -> None:
        """Make one file of all answers. Of those that another process wrote since, nothing is touched."""
        self.save()
        if len(self._files) > 1:
            whole = self._write(self.known)
            for file in self._files:
                if file != whole:
                    file.unlink(missing_ok=True)
            self._files = [whole]

    def _read(self, file: Path, log: logging.Logger) -> None:
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # merged by another process since it was listed
            return
        if hashlib.sha256(content).hexdigest() != file.stem:
            log.warning("%s: sha256 is not that of its name. The forecasts that it held are made again", file)
            return
        table = pq.read_table(pa.BufferReader(content))
        said = table["said"].combine_chunks()
        answers = said.flatten().to_numpy().reshape(len(said), -1)
        self.known.update(zip(table["window"].to_pylist(), answers, strict=True))

    def _write(self, answers: dict[bytes, Floats]) -> Path:
        values = np.stack(list(answers.values()))
        said = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        table = pa.table({"window": pa.array(list(answers), pa.binary(_DIGEST_BYTES)), "said": said})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{hashlib.sha256(content).hexdigest()}.parquet"
        with atomic_file(file) as stream:
            stream.write(content)
        return file
