"""AWS Bedrock: Converse and InvokeModel, as requests, answers and errors."""

from .converse import to_converse
from .converse_answer import RAW_BODY, from_converse
from .errors import classify
from .invoke import format_prompt, from_invoke, parse_response, to_invoke
from .routes import INVOKE_MODELS, uses_invoke

__all__ = [
    "INVOKE_MODELS",
    "RAW_BODY",
    "classify",
    "format_prompt",
    "from_converse",
    "from_invoke",
    "parse_response",
    "to_converse",
    "to_invoke",
    "uses_invoke",
]
