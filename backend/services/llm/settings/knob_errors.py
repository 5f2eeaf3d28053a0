"""What is said of a knob whose value is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr, ValidationError

from ..errors import ConfigurationError
from ..redaction.printable import shown
from ..redaction.secrets import without_credentials
from .knobs import Knobs
from .plain_values import plain


def refusal(
    error: ValidationError, originals: Mapping[str, object] | None = None
) -> ConfigurationError:
    """Return *error* as a ConfigurationError that names knobs and shows values, but no secrets.

    *originals* are the values before `plain` converted them.
    """
    problems = []
    for each in error.errors(include_url=False):
        name = str(each["loc"][0]) if each["loc"] else error.title  # a validator of the whole class
        value = (originals or {}).get(name, each["input"])
        problems.append(f"{name} is {_shown(name, value)}: {each['msg']}")
    return ConfigurationError("; ".join(problems))


def _shown(name: str, value: object) -> str:
    field = Knobs.model_fields.get(name)
    # A host's own field may be anything.
    hidden = field is None or field.annotation is SecretStr or hasattr(value, "get_secret_value")
    if hidden:
        return f"a {type(value).__name__}, not shown here"
    plain_value = plain(value)
    return repr(without_credentials(plain_value)) if isinstance(plain_value, str) else shown(value)
