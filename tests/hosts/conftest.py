"""The hosts are no tests of this suite: each runs with its own, in a copy of its own."""

from __future__ import annotations

collect_ignore_glob = ["*_host"]
