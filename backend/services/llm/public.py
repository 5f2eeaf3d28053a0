"""The names that a host imports from `services.llm_client`, but for its clients: all are public."""

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
from .limit_types import Headroom, LimitReport
from .providers.batch_types import BatchStatus
from .stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from .types import Attempt, Citation, ModelType, Reply, StructuredReply, ToolCall, Usage

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
