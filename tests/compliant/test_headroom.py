"""What is left of the limits of each key."""

from __future__ import annotations

from groq_client_compliant import GroqClient
from sandbox import Limits, Sandbox
from tests.compliant.support import KEYS, MODEL, said, with_client


def test_each_key_is_named_by_its_place_with_what_is_left_of_its_limits() -> None:
    async def use(client: GroqClient) -> dict[str, float]:
        await client.respond(said("hi"), model=MODEL)
        return {
            scope: min(limit.left for limit in limits if limit.name == "RPM")
            for scope, limits in client.headroom().items()
        }

    with Sandbox() as sandbox:
        left = with_client(sandbox.url, use, rpm_per_key=10)
    assert [f"key {place} of {len(KEYS)}" for place in (1, 2, 3)] == list(left)
    assert all(0 < rest <= 10 for rest in left.values())
    assert min(left.values()) < 10


def test_what_a_keys_headers_have_told_of_a_model_is_shown_until_it_is_forgotten() -> None:
    async def use(client: GroqClient) -> list[set[str]]:
        await client.respond(said("hi"))
        before = client.headroom()
        client.forget()
        return [
            {limit.name for limits in shown.values() for limit in limits if limit.is_learned}
            for shown in (before, client.headroom())
        ]

    with Sandbox(limits=Limits.free()) as sandbox:
        assert [{"TPM", "RPD"}, set()] == with_client(sandbox.url, use, keys=KEYS[:1])
