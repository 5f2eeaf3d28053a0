"""The pure modules, and the tests that are there for each; a module of no row is not tried."""

from __future__ import annotations

_QUOTA = ("tests/quota/test_quota.py", "tests/quota/test_quota_waking.py")
_FLOW = (
    "tests/engine/test_flow.py",
    "tests/engine/test_flow_waiting.py",
    "tests/engine/test_flow_shared.py",
    "tests/engine/test_flow_properties.py",
)
_BEDROCK = ("tests/dialects/test_converse_request.py", "tests/dialects/test_converse_answer.py")
_INVOKE = ("tests/dialects/test_invoke_request.py", "tests/dialects/test_invoke_answer.py")
_JUDGE = ("tests/structured/test_judge.py", "tests/structured/test_hostile.py")
_REWRITE = (
    "tests/structured/test_rewrite.py",
    "tests/structured/test_rewrite_properties.py",
    "tests/structured/test_unrewritable.py",
)

TARGETS: dict[str, tuple[str, ...]] = {
    "services/llm/quota/account.py": (*_QUOTA, "tests/quota/test_quota_machine.py"),
    "services/llm/quota/bucket.py": ("tests/quota/test_bucket.py", *_QUOTA),
    "services/llm/quota/lane.py": (*_QUOTA, "tests/quota/test_quota_machine.py"),
    "services/llm/quota/sliding.py": ("tests/quota/test_sliding_window.py", *_QUOTA),
    "services/llm/quota/uses.py": (
        "tests/quota/test_uses.py",
        *_QUOTA,
        "tests/quota/test_quota_machine.py",
    ),
    "services/llm/retry_after.py": ("tests/quota/test_retry_after.py",),
    "services/llm/retry.py": ("tests/engine/test_retry.py", "tests/compliant/test_backoff.py"),
    "services/llm/demand.py": ("tests/engine/test_demand.py",),
    "services/llm/tokens.py": ("tests/engine/test_tokens.py",),
    "services/llm/budget.py": ("tests/engine/test_budget.py",),
    "services/llm/gate.py": ("tests/engine/test_gate.py",),
    "services/llm/flights.py": (
        "tests/cache/test_flights.py",
        "tests/cache/test_flights_errors.py",
        "tests/cache/test_flights_in_loops.py",
    ),
    "services/llm/cache.py": ("tests/engine/test_cache.py",),
    "services/llm/admission.py": (
        "tests/engine/test_admission.py",
        "tests/engine/test_giving_back.py",
        *_FLOW,
    ),
    "services/llm/journey.py": _FLOW,
    "services/llm/flow.py": _FLOW,
    "services/llm/turns.py": ("tests/engine/test_turns.py", "tests/engine/test_forms.py"),
    "services/llm/crowd.py": ("tests/compliant/test_crowd.py",),
    "services/llm/keys.py": (
        "tests/compliant/test_key_ring.py",
        "tests/compliant/test_key_ring_pauses.py",
    ),
    "services/llm/models.py": ("tests/dialects/test_models.py",),
    "services/llm/redact.py": ("tests/dialects/test_redact.py",),
    "services/llm/outages.py": ("tests/engine/test_outages.py",),
    "services/llm/ttl_map.py": ("tests/engine/test_ttl_map.py",),
    "services/llm/quotation.py": ("tests/dialects/test_quotation.py",),
    "services/llm/snapshot.py": ("tests/engine/test_snapshot.py",),
    "services/llm/plain_values.py": ("tests/engine/test_plain_values.py",),
    "services/llm/dialects/bedrock_converse.py": _BEDROCK,
    "services/llm/dialects/bedrock_invoke.py": _INVOKE,
    "services/llm/dialects/bedrock_templates.py": _INVOKE,
    "services/llm/dialects/bedrock_turns.py": (*_BEDROCK, *_INVOKE),
    "services/llm/dialects/bedrock_errors.py": ("tests/dialects/test_bedrock_errors.py",),
    "services/llm/dialects/bedrock_stream.py": ("tests/dialects/test_streams.py",),
    "services/llm/dialects/groq.py": (
        "tests/dialects/test_groq_request.py",
        "tests/dialects/test_groq_answer.py",
    ),
    "services/llm/dialects/groq_errors.py": (
        "tests/dialects/test_groq_failures.py",
        "tests/dialects/test_groq_refusals.py",
        "tests/dialects/test_what_words_decide.py",
    ),
    "services/llm/dialects/refusals.py": (
        "tests/dialects/test_what_words_decide.py",
        "tests/dialects/test_bedrock_errors.py",
        "tests/dialects/test_groq_refusals.py",
    ),
    "services/llm/dialects/groq_stream.py": ("tests/dialects/test_streams.py",),
    "services/llm/stores/log_index.py": (
        "tests/cache/test_log_index.py",
        "tests/cache/test_json_store.py",
        "tests/cache/test_json_damage.py",
    ),
    "services/llm/stores/entry.py": (
        "tests/cache/test_json_store.py",
        "tests/cache/test_json_damage.py",
    ),
    "services/llm/stores/recognition.py": (
        "tests/cache/test_recognition.py",
        "tests/cache/test_foreign_files.py",
        "tests/cache/test_json_damage.py",
    ),
    "services/llm/http/idle.py": ("tests/http/test_idle.py",),
    "services/llm/stores/budget.py": ("tests/cache/test_budget.py",),
    "services/llm/structured/alternatives.py": (
        "tests/structured/test_losses.py",
        "tests/structured/test_work.py",
        *_JUDGE,
    ),
    "services/llm/structured/ignored.py": ("tests/structured/test_losses.py", *_JUDGE),
    "services/llm/structured/watch.py": ("tests/structured/test_work.py",),
    "services/llm/structured/coerce.py": ("tests/structured/test_coerce.py", *_JUDGE),
    "services/llm/structured/explain.py": ("tests/structured/test_explain.py",),
    "services/llm/structured/extract.py": ("tests/structured/test_tolerant.py", *_JUDGE),
    "services/llm/structured/judge.py": _JUDGE,
    "services/llm/structured/merge.py": ("tests/structured/test_merge.py", *_REWRITE),
    "services/llm/structured/restore.py": _REWRITE,
    "services/llm/structured/rewrite.py": _REWRITE,
    "services/llm/structured/schema.py": (
        "tests/structured/test_schema.py",
        "tests/structured/test_references.py",
    ),
    "services/llm/structured/strict.py": _REWRITE,
    "services/llm/structured/tolerant.py": ("tests/structured/test_tolerant.py",),
    "services/llm/structured/unwrap.py": ("tests/structured/test_unwrap.py", *_JUDGE),
    "services/llm/structured/walk.py": _REWRITE,
}
