"""What was written reaches the disk, on file systems that can promise it; on the others, writing goes on."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path
from typing import IO

# How a file system says that it has no such promise: network and shared drives, some containers, folders on Windows.
CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
CANNOT_FOLDER = CANNOT | {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF}


def flush(file: IO) -> None:
    """Force what was written to an open file to the disk, where the file system can.

    Raises OSError where it can and did not: a full disk, a quota, a disk that is failing.
    """
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in CANNOT:
            raise


def flush_folder(folder: str | os.PathLike) -> None:
    """Force the names in a folder to the disk, after a file was put in place there; never an error.

    The file is whole and in place already. What this adds is that a power failure in the next seconds cannot take its
    name back. So a file system that cannot do it is passed over in silence. Any other trouble is a warning: EIO means
    "cannot" on some network drives and "failing" on a disk, and a failing disk shows at the next file as well.
    """
    try:
        handle = os.open(Path(folder), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in CANNOT_FOLDER:
            warnings.warn(
                f"{folder}: what was written there is in place, but may not outlive a power failure just now: {error}",
                stacklevel=3,
            )
