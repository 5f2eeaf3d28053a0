"""Groq: its chat completions, as requests, answers and errors."""

from .chat import BASE_URL as BASE_URL
from .chat import from_wire as from_wire
from .chat import to_wire as to_wire
from .chat import usage_of as usage_of
from .errors import amount_of as amount_of
from .errors import classify as classify
from .errors import limit_of as limit_of
from .errors import organization_of as organization_of
from .errors import within_ok as within_ok
