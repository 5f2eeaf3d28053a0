"""Adds one token to a budget, many times. Arguments: folder of `services`, path, times."""

from __future__ import annotations

import sys

sys.path.insert(0, sys.argv[1])

from services.llm.stores import BudgetFile

budget = BudgetFile(sys.argv[2])
for _ in range(int(sys.argv[3])):
    budget.add(1, 1_000_000.0)
