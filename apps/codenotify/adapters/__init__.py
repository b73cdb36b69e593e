"""The contest platforms. An adapter is a module with ``fetch(http, since) -> Fetched``.

A new platform is a copy of one, named in ``FETCH``.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.codenotify.adapters import atcoder, codechef, codeforces, leetcode
from apps.codenotify.adapters.fetched import Fetch

FETCH: Mapping[str, Fetch] = {
    "codeforces": codeforces.fetch,
    "leetcode": leetcode.fetch,
    "codechef": codechef.fetch,
    "atcoder": atcoder.fetch,
}
