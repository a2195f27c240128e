"""A user's mistake ends in one line and exit code 2; a traceback means a bug of ours."""

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


class UserError(Exception):
    """A mistake the user can mend; the message names the cause, the value and the remedy in one line."""


def run(main: Callable[[], None]) -> NoReturn:
    """Run the command `main` and leave the process: 0 when it is done, 2 after a `UserError` or a full disk."""
    try:
        main()
    except UserError as error:
        sys.exit(_complain(str(error)))
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = f" while writing {error.filename}" if error.filename else ""
        sys.exit(_complain(f"the disk is full{place}; free some space and run the same command again, nothing is lost"))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not among `known`: the nearest one, or all of them where none is near."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(options)}" if options else "none is known"


def _complain(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2
