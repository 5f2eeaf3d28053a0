"""The pure modules, and the tests that are there for each; a module of no row is not tried."""

from __future__ import annotations

_QUOTA = (
    "tests/quota/test_quota.py",
    "tests/quota/test_quota_waking.py",
    "tests/quota/test_resume.py",
    "tests/quota/test_learning.py",
    "tests/quota/test_long_answers.py",
    "tests/quota/test_priority.py",
    "tests/quota/test_forks.py",
)
_STREAMS = (
    "tests/providers/test_stream_bytes.py",
    "tests/providers/test_streams.py",
    "tests/providers/test_frames.py",
    "tests/providers/test_any_stream.py",
    "tests/providers/test_errors_in_ok_bodies.py",
)
_FLOW = (
    "tests/call/test_lifecycle.py",
    "tests/call/test_lifecycle_waiting.py",
    "tests/call/test_lifecycle_shared.py",
    "tests/call/test_lifecycle_streams.py",
    "tests/call/test_call_events.py",
    "tests/call/test_outages.py",
    "tests/fleet/test_fleet_calls.py",
    "tests/call/test_lifecycle_properties.py",
)
_BEDROCK = ("tests/providers/test_converse_request.py", "tests/providers/test_converse_answer.py")
_INVOKE = (
    "tests/providers/test_invoke_request.py",
    "tests/providers/test_invoke_answer.py",
    "tests/providers/test_cache_points.py",
)
_JUDGE = ("tests/structured/test_parse.py", "tests/structured/test_hostile.py")
_REWRITE = (
    "tests/structured/test_rewrite.py",
    "tests/structured/test_rewrite_properties.py",
    "tests/structured/test_unrewritable.py",
)

TARGETS: dict[str, tuple[str, ...]] = {
    "services/llm/quota/quota.py": (*_QUOTA, "tests/quota/test_quota_machine.py"),
    "services/llm/quota/token_bucket.py": ("tests/quota/test_token_bucket.py", *_QUOTA),
    "services/llm/quota/queue.py": (
        "tests/quota/test_queue.py",
        *_QUOTA,
        "tests/quota/test_quota_machine.py",
    ),
    "services/llm/quota/sliding_window.py": ("tests/quota/test_sliding_window.py", *_QUOTA),
    "services/llm/quota/charges.py": (
        "tests/quota/test_charges.py",
        *_QUOTA,
        "tests/quota/test_quota_machine.py",
    ),
    "services/llm/runtime/retry_after.py": ("tests/quota/test_retry_after.py",),
    "services/llm/call/retry.py": ("tests/call/test_retry.py", "tests/compliant/test_backoff.py"),
    "services/llm/call/demand.py": ("tests/call/test_demand.py",),
    "services/llm/account/token_estimate.py": ("tests/call/test_token_estimate.py",),
    "services/llm/account/daily_budget.py": ("tests/call/test_budget.py",),
    "services/llm/account/concurrency.py": ("tests/call/test_concurrency.py",),
    "services/llm/account/single_flight.py": (
        "tests/cache/test_single_flight.py",
        "tests/cache/test_single_flight_errors.py",
        "tests/cache/test_single_flight_in_loops.py",
    ),
    "services/llm/account/cache.py": ("tests/call/test_cache.py",),
    "services/llm/call/admission.py": (
        "tests/call/test_admission.py",
        "tests/call/test_release.py",
        *_FLOW,
    ),
    "services/llm/call/call.py": ("tests/call/test_call.py", *_FLOW),
    "services/llm/call/lifecycle.py": _FLOW,
    "services/llm/call/structured.py": (
        "tests/call/test_structured_attempts.py",
        "tests/call/test_output_modes.py",
    ),
    "services/llm/account/unknown_organizations.py": (
        "tests/compliant/test_unknown_organizations.py",
    ),
    "services/llm/account/multi_key.py": (
        "tests/compliant/test_multi_key.py",
        "tests/compliant/test_multi_key_pauses.py",
    ),
    "services/llm/models/capabilities.py": (
        "tests/providers/test_model_families.py",
        "tests/providers/test_models.py",
    ),
    "services/llm/models/features.py": ("tests/providers/test_model_features.py",),
    "services/llm/models/needs.py": ("tests/providers/test_model_features.py",),
    "services/llm/models/successors.py": (
        "tests/providers/test_model_families.py",
        "tests/providers/test_models.py",
    ),
    "services/llm/redaction/secrets.py": (
        "tests/providers/test_redact.py",
        "tests/cache/test_opening.py",
    ),
    "services/llm/account/outages.py": ("tests/call/test_outages.py",),
    "services/llm/runtime/ttl_map.py": ("tests/call/test_ttl_map.py",),
    "services/llm/redaction/quotation.py": ("tests/providers/test_quotation.py",),
    "services/llm/client/snapshot.py": ("tests/call/test_snapshot.py",),
    "services/llm/settings/plain_values.py": ("tests/call/test_plain_values.py",),
    "services/llm/providers/bedrock/converse.py": _BEDROCK,
    "services/llm/providers/bedrock/invoke.py": _INVOKE,
    "services/llm/providers/bedrock/templates.py": _INVOKE,
    "services/llm/providers/bedrock/turns.py": (*_BEDROCK, *_INVOKE),
    "services/llm/providers/bedrock/content_parts.py": (
        *_BEDROCK,
        "tests/providers/test_converse_media.py",
    ),
    "services/llm/providers/bedrock/reasoning.py": ("tests/providers/test_common_options.py",),
    "services/llm/providers/bedrock/common_options.py": ("tests/providers/test_common_options.py",),
    "services/llm/providers/bedrock/answer_parts.py": ("tests/providers/test_answer_parts.py",),
    "services/llm/providers/groq/messages.py": ("tests/providers/test_groq_messages.py",),
    "services/llm/client/content.py": ("tests/call/test_content.py",),
    "services/llm/providers/bedrock/errors.py": (
        "tests/providers/test_bedrock_errors.py",
        "tests/providers/test_what_words_decide.py",
        "tests/providers/test_errors_in_ok_bodies.py",
    ),
    "services/llm/providers/bedrock/frames.py": ("tests/providers/test_frames.py",),
    "services/llm/providers/groq/sse.py": _STREAMS[1:3],
    "services/llm/providers/bedrock/stream.py": _STREAMS,
    "services/llm/providers/groq/request.py": ("tests/providers/test_groq_request.py",),
    "services/llm/providers/groq/answer.py": ("tests/providers/test_groq_answer.py",),
    "services/llm/providers/groq/limit_messages.py": (
        "tests/providers/test_groq_refusals.py",
        "tests/providers/test_what_words_decide.py",
    ),
    "services/llm/providers/groq/errors.py": (
        "tests/providers/test_groq_failures.py",
        "tests/providers/test_groq_refusals.py",
        "tests/providers/test_what_words_decide.py",
        "tests/providers/test_errors_in_ok_bodies.py",
    ),
    "services/llm/providers/refusals.py": (
        "tests/providers/test_refusals.py",
        "tests/providers/test_what_words_decide.py",
        "tests/providers/test_bedrock_errors.py",
        "tests/providers/test_groq_refusals.py",
    ),
    "services/llm/providers/groq/stream.py": _STREAMS,
    "services/llm/stores/log_index.py": (
        "tests/cache/test_log_index.py",
        "tests/cache/test_json_store.py",
        "tests/cache/test_json_damage.py",
    ),
    "services/llm/stores/entry.py": (
        "tests/cache/test_json_store.py",
        "tests/cache/test_json_damage.py",
    ),
    "services/llm/stores/file_formats.py": (
        "tests/cache/test_file_formats.py",
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
    "services/llm/structured/losses.py": ("tests/structured/test_losses.py", *_JUDGE),
    "services/llm/structured/deadline.py": ("tests/structured/test_work.py",),
    "services/llm/structured/coerce.py": ("tests/structured/test_coerce.py", *_JUDGE),
    "services/llm/structured/explain.py": ("tests/structured/test_explain.py",),
    "services/llm/structured/extract.py": ("tests/structured/test_tolerant.py", *_JUDGE),
    "services/llm/structured/parse.py": _JUDGE,
    "services/llm/structured/merge.py": ("tests/structured/test_merge.py", *_REWRITE),
    "services/llm/structured/restore.py": _REWRITE,
    "services/llm/structured/rewrite.py": _REWRITE,
    "services/llm/structured/schema.py": (
        "tests/structured/test_schema.py",
        "tests/structured/test_work.py",
        "tests/structured/test_references.py",
    ),
    "services/llm/structured/strict.py": _REWRITE,
    "services/llm/structured/numbers.py": (
        "tests/structured/test_tolerant.py",
        "tests/structured/test_coerce.py",
    ),
    "services/llm/structured/tolerant.py": ("tests/structured/test_tolerant.py",),
    "services/llm/structured/unwrap.py": ("tests/structured/test_unwrap.py", *_JUDGE),
    "services/llm/structured/walk.py": (
        "tests/structured/test_schema.py",
        "tests/structured/test_explain.py",
        "tests/structured/test_references.py",
        "tests/structured/test_work.py",
        *_REWRITE,
    ),
    "services/llm/quota/learning.py": (
        "tests/quota/test_answers.py",
        "tests/quota/test_learning.py",
    ),
    "services/llm/quota/answers.py": (
        "tests/quota/test_answers.py",
        "tests/quota/test_learning.py",
        "tests/quota/test_quota.py",
    ),
    "services/llm/quota/charge_blocks.py": (
        "tests/quota/test_charge_blocks.py",
        "tests/quota/test_block_spans.py",
        "tests/quota/test_charges.py",
        "tests/quota/test_sliding_window.py",
        "tests/quota/test_priority.py",
    ),
    "services/llm/account/token_estimator.py": ("tests/call/test_token_estimator.py",),
    "services/llm/account/money_budgets.py": ("tests/ledger/test_money_budgets.py",),
    "services/llm/account/cache_record.py": ("tests/call/test_cache_record.py",),
    "services/llm/ledger/usage.py": ("tests/ledger/test_usage.py", "tests/ledger/test_reports.py"),
    "services/llm/ledger/usage_report.py": ("tests/ledger/test_reports.py",),
    "services/llm/events/hook_registry.py": ("tests/call/test_hooks.py",),
    "services/llm/call/call_events.py": (
        "tests/call/test_call_events.py",
        "tests/call/test_call_events_properties.py",
    ),
    "services/llm/call/stream_reader.py": ("tests/call/test_stream_reader.py",),
    "services/llm/batch/window.py": ("tests/batch/test_window.py",),
    "services/llm/models/prices.py": (
        "tests/ledger/test_prices.py",
        "tests/providers/test_models.py",
    ),
    "services/llm/http/http1.py": ("tests/http/test_http1.py",),
    "services/llm/http/chunked.py": ("tests/http/test_chunked.py", "tests/http/test_http1.py"),
    "services/llm/http/proxies.py": ("tests/http/test_proxies.py",),
    "services/llm/http/http1_connections.py": (
        "tests/http/test_whole_exchanges.py",
        "tests/http/test_stream_connections.py",
        "tests/http/test_connections.py",
    ),
    "services/llm/http/http1_async.py": (
        "tests/http/test_http1_async.py",
        "tests/http/test_stream_connections.py",
        "tests/http/test_whole_exchanges.py",
    ),
    "services/llm/providers/channel.py": (
        "tests/call/test_channel.py",
        "tests/call/test_channel_time.py",
    ),
    "services/llm/providers/groq/limit_reports.py": ("tests/providers/test_limit_reports.py",),
    "services/llm/providers/bedrock/sigv4.py": ("tests/providers/test_sigv4.py",),
    "services/llm/structured/partial.py": ("tests/structured/test_partial.py",),
    "services/llm/structured/open_json.py": ("tests/structured/test_partial.py",),
}
