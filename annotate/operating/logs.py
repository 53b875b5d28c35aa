"""One event of the log is one line, whatever names and words it tells of: nobody writes lines of their own."""

import logging

CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class OneLine(logging.Formatter):
    """Control characters of the message are written out; a traceback keeps its lines below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(CONTROL)
