"""The token counts that InvokeModel gives beside the model's own answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...completion import Completion


def with_metrics(payload: Mapping[str, Any], done: Completion) -> dict[str, Any]:
    """The last event of a stream, with Bedrock's metrics unless the usage is left out."""
    if "usage" in done.without:
        return dict(payload)
    metrics = {
        "inputTokenCount": done.fresh_tokens,
        "outputTokenCount": done.output_tokens,
        "invocationLatency": 1 + 2 * done.output_tokens,
        "firstByteLatency": 1,
    }
    if done.cached_tokens or done.cache_write_tokens:
        metrics["cacheReadInputTokenCount"] = done.cached_tokens
        metrics["cacheWriteInputTokenCount"] = done.cache_write_tokens
    return {**payload, "amazon-bedrock-invocationMetrics": metrics}


def metric_headers(done: Completion) -> dict[str, str]:
    """The headers of a whole answer; Converse tells the same in its body (recorded)."""
    if "usage" in done.without:
        return {}
    headers = {
        "x-amzn-bedrock-input-token-count": str(done.fresh_tokens),
        "x-amzn-bedrock-output-token-count": str(done.output_tokens),
        "x-amzn-bedrock-invocation-latency": str(1 + 2 * done.output_tokens),
    }
    if done.cached_tokens or done.cache_write_tokens:
        headers["x-amzn-bedrock-cache-read-input-token-count"] = str(done.cached_tokens)
        headers["x-amzn-bedrock-cache-write-input-token-count"] = str(done.cache_write_tokens)
    return headers
