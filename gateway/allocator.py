"""The C allocator's settings for a process that parses and frees many messages of some 100 kB.

With its defaults glibc gives the memory of each freed message back to the kernel and takes it anew for
the next one: page faults that ``docs/performance.md`` measures. Imports nothing of Tidegate.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""From malloc.h of glibc."""
_MIB = 1024 * 1024


def keep_freed_memory() -> bool:
    """Makes the allocator keep up to 256 MiB of freed memory for use again; tells whether it could."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, with an allocator of its own
        return False
    settings = ((_M_MMAP_THRESHOLD, 32 * _MIB), (_M_TRIM_THRESHOLD, 256 * _MIB), (_M_TOP_PAD, 64 * _MIB))
    return all(mallopt(name, value) == 1 for name, value in settings)
