"""Where a report goes: a stream of our own, or a file written in one piece.

The program may close, replace or redirect its standard streams, so ours are duplicated before it runs.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, BinaryIO, TextIO

from gradscope.errors import OutputError


class Destination:
    """Where one report is written. Made before the program runs, so that nothing is found out too late.

    `machine` says that the format must parse: without a file it has stdout to itself, and the
    program's stdout, also that of its C code and child processes, goes to stderr. `to_stderr` sends
    other reports to stderr. Raises OutputError where `output` cannot be written.
    """

    def __init__(self, output: str | None, *, machine: bool, to_stderr: bool) -> None:
        self.path = None if output in (None, "-") else os.path.abspath(str(output))
        self._restore: TextIO | None = None
        if self.path is not None:
            check_writable("--output", str(output), self.path)
            return
        source: TextIO | None = sys.stderr if to_stderr and not machine else sys.stdout
        if source is None and machine:
            raise OutputError(
                "stdout is closed, and the report cannot be written to it", try_next="--output report.json"
            )
        self._stream = source
        self._encoding = "utf-8" if machine else getattr(source, "encoding", None) or "utf-8"
        self._number = _duplicate(source)
        if machine:
            self._stdout_to_stderr()

    def _stdout_to_stderr(self) -> None:
        if self._number is None:  # not a file descriptor: a test's or an editor's stream
            self._restore, sys.stdout = sys.stdout, sys.stderr
            return
        sys.stdout.flush()
        if sys.stderr is None:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
        else:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    @contextlib.contextmanager
    def open(self) -> Iterator[TextIO]:
        """A text stream for the report; a file appears under its name only when it is complete.

        Raises OutputError where it cannot be written, to a full disk, say.
        """
        flush_standard_streams()
        try:
            with self._opened() as stream:
                yield stream
        except BrokenPipeError:
            raise
        except OSError as error:
            where = self.path or getattr(self._stream, "name", "its stream").strip("<>")
            reason = error.strerror or str(error)
            raise OutputError(f"the report cannot be written to {where}: {reason}") from None

    def write_parts(self, parts: Sequence[tuple[bytes, str]]) -> list[str]:
        """Writes the files of a picture and returns their paths; without a file the first goes to stdout.

        Each part is (content, ending); the ending takes the place of the suffix that was asked for, "" keeps
        it. Raises OutputError where one cannot be written.
        """
        flush_standard_streams()
        if self.path is None:
            with self._standard_bytes() as stream:
                stream.write(parts[0][0])
            return []
        paths = [self._beside(ending) for _, ending in parts]
        for path, (content, _) in zip(paths, parts, strict=True):
            try:
                with replacing_bytes(path) as file:
                    file.write(content)
            except OSError as error:
                raise OutputError(
                    f"the picture cannot be written to {path}: {error.strerror or error}"
                ) from None
        return paths

    def _beside(self, ending: str) -> str:
        assert self.path is not None
        return os.path.splitext(self.path)[0] + ending if ending else self.path

    @contextlib.contextmanager
    def _standard_bytes(self) -> Iterator[BinaryIO]:
        if self._number is None:
            with io.BytesIO() as buffer:
                yield buffer
                if self._stream is not None:
                    self._stream.write(buffer.getvalue().decode("utf-8", "backslashreplace"))
            sys.stdout = self._restore or sys.stdout
            return
        try:
            with open(self._number, "wb") as stream:
                yield stream
        except BrokenPipeError:
            pass  # the reader has seen enough

    def _opened(self) -> contextlib.AbstractContextManager[TextIO]:
        if self.path is None:
            return self._standard_stream()
        if os.path.exists(self.path) and not os.path.isfile(self.path):  # /dev/null, a named pipe
            return open(self.path, "w", encoding="utf-8")
        return replacing(self.path)

    @contextlib.contextmanager
    def _standard_stream(self) -> Iterator[TextIO]:
        if self._stream is None:  # a closed stderr
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                yield nowhere
            return
        if self._number is None:
            try:
                yield self._stream
            finally:
                sys.stdout = self._restore or sys.stdout
            return
        try:
            with open(self._number, "w", encoding=self._encoding, errors="backslashreplace") as stream:
                yield stream
        except BrokenPipeError:
            pass  # the reader has seen enough


def flush_standard_streams() -> None:
    """Lets what the program printed come before the report; it may have closed or removed its streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _duplicate(stream: TextIO | None) -> int | None:
    """A file descriptor of our own for what `stream` writes to; None where it has none."""
    try:
        return None if stream is None else os.dup(stream.fileno())
    except (OSError, ValueError):
        return None


def check_writable(option: str, typed: str, path: str, example: str = "report.json") -> None:
    """Raises OutputError where the file that an option names, at an absolute path, cannot be written."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise OutputError(f"{option} {typed}: there is no folder {os.path.dirname(typed) or folder}")
    if os.path.isdir(path):
        raise OutputError(
            f"{option} {typed} is a folder", try_next=f"{option} {os.path.join(typed, example)}"
        )
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe's reader would leave when it is closed
        if not os.access(path, os.W_OK):
            raise OutputError(f"{option} {typed} cannot be written: Permission denied")
        return
    try:
        if os.path.exists(path):
            with open(path, "a", encoding="utf-8"):
                return
        number, trial = tempfile.mkstemp(dir=folder, prefix=".gradscope-")
    except OSError as error:
        raise OutputError(f"{option} {typed} cannot be written: {error.strerror}") from None
    os.close(number)
    os.unlink(trial)


@contextlib.contextmanager
def replacing(path: str, newline: str | None = None) -> Iterator[TextIO]:
    """A text stream for a file that appears under its name only when it is complete."""
    with _replacing(path, lambda file: open(file, "w", encoding="utf-8", newline=newline)) as text:
        yield text


@contextlib.contextmanager
def replacing_bytes(path: str) -> Iterator[BinaryIO]:
    """A binary stream for a file that appears under its name only when it is complete."""
    with _replacing(path, lambda file: open(file, "wb")) as binary:
        yield binary


@contextlib.contextmanager
def _replacing(path: str, opened: Callable[[str | int], IO[Any]]) -> Iterator[Any]:
    try:
        number, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".gradscope-", suffix=".tmp")
    except OSError:  # a file that may be written in a folder that may not
        with opened(path) as file:
            yield file
        return
    try:
        with opened(number) as file:
            yield file
        os.chmod(temporary, finished_mode(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def finished_mode(path: str) -> int:
    """The permissions of the file that is replaced, or those that a new file would get."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
