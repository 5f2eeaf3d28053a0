"""AWS Bedrock: Converse and InvokeModel, as requests, answers and errors."""

from .converse import UNREAD as UNREAD
from .converse import from_converse as from_converse
from .converse import to_converse as to_converse
from .errors import classify as classify
from .invoke import format_prompt as format_prompt
from .invoke import from_invoke as from_invoke
from .invoke import parse_response as parse_response
from .invoke import to_invoke as to_invoke
from .routes import SIX as SIX
from .routes import speaks_invoke as speaks_invoke
