"""Standard output that says when it cannot be written: a full disk, a pipe that nobody reads any more, a closed one.

What a program reads of a command, it has whole or the exit status says that it has not. Of a pipe that nobody reads any
more nothing is said.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from canary.errors import CanaryError

CLOSED = os.strerror(errno.EBADF)


class NotPrinted(CanaryError):
    """Standard output could not be written."""


class NobodyReads(NotPrinted):
    """Who read the pipe has seen enough, as `head` has: nothing to tell anybody of."""


class Printed:
    """Stands before a stream. Whatever writes to it gets a CanaryError for what the stream does not take.

    `fault` is the first such error, or None; whoever catches it and goes on has not printed all. Without a stream
    standard output was closed before the process began.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or io.StringIO()
        self._closed = stream is None
        self.fault: NotPrinted | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text. Raises NotPrinted, again and again once it was raised."""
        if self._closed and text:
            self.fault = _not_printed(OSError(errno.EBADF, CLOSED))
        if self.fault is not None:
            raise self.fault
        try:
            return self._stream.write(self._in_its_letters(text))
        except OSError as error:
            self.fault = _not_printed(error)
            raise self.fault from error

    def _in_its_letters(self, text: str) -> str:
        """Return the text with what the stream's encoding has no letters for as escapes: names may have any letters."""
        encoding = self._stream.encoding or "utf-8"
        return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)

    def flush(self) -> None:
        """Hand on what was written. Raises NotPrinted, again and again once it was raised."""
        if self.fault is not None:
            raise self.fault
        try:
            self._stream.flush()
        except OSError as error:
            self.fault = _not_printed(error)
            raise self.fault from error

    def finish(self) -> NotPrinted | None:
        """Hand on what is left and return the fault, if any; what the stream did not take is given up."""
        try:
            self.flush()
        except NotPrinted:
            self._give_up()
        return self.fault

    def _give_up(self) -> None:
        """Let the interpreter's own last flush find a place, so that it neither complains nor changes the status."""
        if self._closed:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _not_printed(error: OSError) -> NotPrinted:
    why = f"standard output cannot be written: {error.strerror or 'it does not say why'}; not all was printed"
    return NobodyReads(why) if error.errno == errno.EPIPE else NotPrinted(why)


@contextmanager
def taken_over() -> Iterator[Printed]:
    """Put a `Printed` before this process's standard output as long as the block lasts."""
    stream = sys.stdout
    printed = Printed(stream)
    sys.stdout = printed
    try:
        yield printed
    finally:
        sys.stdout = stream
