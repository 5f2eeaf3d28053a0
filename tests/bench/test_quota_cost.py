"""The script that measures what the quota costs by itself runs, and measures what it says."""

from __future__ import annotations

from bench.quota_cost import memory, request, wait


def test_the_cost_of_a_request_of_a_wait_of_a_refusal_and_of_accounts_is_measured() -> None:
    assert 0.0 < request(rounds=1, requests=20)
    assert min(wait(3, requests=10)) > 0.0
    assert 0.0 < memory(3) < 0.1
