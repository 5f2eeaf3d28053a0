"""The names that a host imports from `services.llm_client`, but for its clients: all are public.

What a client needs in any case is imported here; the rest when it is first looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import (
    AuthenticationError,
    BatchStoppedError,
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    ResponseTooLargeError,
    RetriesExhaustedError,
    StructuredOutputError,
    TruncatedError,
)
from .runtime.lazy_names import lazy_names

if TYPE_CHECKING:
    from .account.learned import Learned
    from .batch.asynchronous import AsyncBatch
    from .batch.blocking import Batch
    from .batch.provider_batch import ProviderBatch
    from .batch.results import BatchProgress, BatchResult
    from .call.stream import AsyncStream, Stream, to_sse
    from .call.structured_stream import AsyncStructuredStream, StructuredStream
    from .client.base import LLMClient
    from .client.content import Document, Image
    from .client.signatures import Guardrail
    from .client.tool_results import tool_results
    from .limit_types import Headroom, LimitReport
    from .providers.batch_types import BatchStatus
    from .stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
    from .types import Attempt, Citation, ModelType, Reply, StructuredReply, ToolCall, Usage

#: The names in each module, which is named from this one.
_NAMES_IN = {
    ".account.learned": ("Learned",),
    ".batch.asynchronous": ("AsyncBatch",),
    ".batch.blocking": ("Batch",),
    ".batch.provider_batch": ("ProviderBatch",),
    ".batch.results": ("BatchProgress", "BatchResult"),
    ".call.stream": ("AsyncStream", "Stream", "to_sse"),
    ".call.structured_stream": ("AsyncStructuredStream", "StructuredStream"),
    ".client.base": ("LLMClient",),
    ".client.content": ("Document", "Image"),
    ".client.signatures": ("Guardrail",),
    ".client.tool_results": ("tool_results",),
    ".limit_types": ("Headroom", "LimitReport"),
    ".providers.batch_types": ("BatchStatus",),
    ".stream_types": ("ReasoningPiece", "StreamEvent", "TextPiece", "ToolCallPiece", "UsageReport"),
    ".types": (
        *("Attempt", "Citation", "ModelType", "Reply", "StructuredReply", "ToolCall", "Usage"),
    ),
}

__getattr__ = lazy_names(
    __name__, {name: module for module, names in _NAMES_IN.items() for name in names}
)

__all__ = [
    "AsyncBatch",
    "AsyncStream",
    "AsyncStructuredStream",
    "Attempt",
    "AuthenticationError",
    "Batch",
    "BatchProgress",
    "BatchResult",
    "BatchStatus",
    "BatchStoppedError",
    "Citation",
    "ConfigurationError",
    "ContentFilteredError",
    "ContextLengthError",
    "Document",
    "Guardrail",
    "Headroom",
    "Image",
    "InvalidRequestError",
    "LLMClient",
    "LLMError",
    "LLMTimeoutError",
    "Learned",
    "LimitReport",
    "ModelNotFoundError",
    "ModelType",
    "ProviderBatch",
    "ProviderUnavailableError",
    "RateLimitError",
    "ReasoningPiece",
    "Reply",
    "ResponseTooLargeError",
    "RetriesExhaustedError",
    "Stream",
    "StreamEvent",
    "StructuredOutputError",
    "StructuredReply",
    "StructuredStream",
    "TextPiece",
    "ToolCall",
    "ToolCallPiece",
    "TruncatedError",
    "Usage",
    "UsageReport",
    "to_sse",
    "tool_results",
]
