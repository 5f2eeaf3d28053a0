"""What can be told of a request before anything is taken for it: that it cannot be sent."""

from __future__ import annotations

from ..errors import UnsendableError
from ..types import Provider, Request


def check_request(request: Request, provider: Provider) -> None:
    """Raise UnsendableError for what *request*'s model is known not to do, or cannot be told.

    It is put into the provider's form for that, unless it is of nothing but text.
    """
    if not request.options and all(map(_is_plain, request.messages)):
        return
    from .. import models

    if problem := models.lacking(request):
        raise UnsendableError(f"The model {request.model} {problem}", provider=provider)
    # Who uses one provider pays for no other.
    if provider == "groq":
        from ..providers.groq import to_chat_completion

        to_chat_completion(request)
    else:
        from ..providers.bedrock import to_converse, to_invoke, uses_invoke

        (to_invoke if uses_invoke(request.model) else to_converse)(request)


def _is_plain(message: object) -> bool:
    return (
        isinstance(message, dict)
        and message.keys() <= {"role", "content"}
        and isinstance(message.get("content"), str)
    )
