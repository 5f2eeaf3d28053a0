"""Guardrails: what they say of a text, in a call's trace and on ApplyGuardrail.

Without a policy of its own, the sandbox goes by two words: a text with `sandbox/blocked` is
blocked, and `sandbox/masked` is replaced by {MASKED}. Else a guardrail says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..completion import Completion, Guardrail, ModelRequest
from ..http_types import HttpResponse, json_response
from ..streams import pieces_of
from .errors import invalid

BLOCKED_WORD, MASKED_WORD = "sandbox/blocked", "sandbox/masked"
BLOCKED_TEXT = "Blocked by a guardrail."
_UNITS = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
    "contentPolicyImageUnits",
    "automatedReasoningPolicyUnits",
    "automatedReasoningPolicies",
)
_CHARACTERS_PER_UNIT = 1_000


def read_guardrail(config: Any) -> Guardrail | None:
    """The guardrail that a Converse request names; raises RefusedError where it names half."""
    if not config:
        return None
    identifier, version = config.get("guardrailIdentifier"), config.get("guardrailVersion")
    if not identifier or not version:
        raise invalid(
            "The guardrailConfig field must define guardrailIdentifier and guardrailVersion."
        )
    trace = str(config.get("trace") or "disabled")
    return Guardrail(str(identifier), str(version), trace.startswith("enabled"))


def guardrail_of(headers: Mapping[str, str]) -> Guardrail | None:
    """The guardrail that the headers of an InvokeModel request name."""
    identifier = headers.get("x-amzn-bedrock-guardrailidentifier")
    if not identifier:
        return None
    version = headers.get("x-amzn-bedrock-guardrailversion", "DRAFT")
    return Guardrail(identifier, version, headers.get("x-amzn-bedrock-trace") == "ENABLED")


def members(done: Completion, request: ModelRequest) -> dict[str, Any]:
    """What InvokeModel says of a guardrail, beside the model's own answer (recorded)."""
    guardrail = request.guardrail
    if guardrail is None:
        return {}
    intervened = done.finish == "guardrail"
    action: dict[str, Any] = {
        "amazon-bedrock-guardrailAction": "INTERVENED" if intervened else "NONE"
    }
    if guardrail.trace:
        found = {guardrail.identifier: assessment(guardrail, request.prompt)}
        action["amazon-bedrock-trace"] = {"guardrail": {"input": found}}
    return action


def masked(text: str) -> str:
    """The text with what is to be masked replaced."""
    return text.replace(MASKED_WORD, "{MASKED}")


def guarded(done: Completion, request: ModelRequest) -> Completion:
    """The completion as it leaves the guardrail, if the request names one."""
    if request.guardrail is None:
        return done
    if BLOCKED_WORD in request.prompt:
        return replace(
            done,
            text=BLOCKED_TEXT,
            pieces=(BLOCKED_TEXT,),
            finish="guardrail",
            reasoning="",
            tool_uses=(),
        )
    if MASKED_WORD not in (done.text or ""):
        return done
    text = masked(done.text or "")
    return replace(done, text=text, pieces=tuple(pieces_of(text)), finish="guardrail")


def trace(guardrail: Guardrail, prompt: str, answer: str, blocked: bool) -> dict[str, Any]:
    """The `trace` member of a Converse answer."""
    action = "Guardrail blocked." if blocked else "No action."
    outputs = [] if blocked else [assessment(guardrail, answer)]
    return {
        "guardrail": {
            "actionReason": action,
            "modelOutput": [answer],
            "inputAssessment": {guardrail.identifier: assessment(guardrail, prompt)},
            "outputAssessments": {guardrail.identifier: outputs},
        }
    }


def assessment(guardrail: Guardrail, text: str) -> dict[str, Any]:
    """What a guardrail found in one text."""
    blocked = BLOCKED_WORD in text
    found: dict[str, Any] = {}
    if blocked:
        word = {"match": BLOCKED_WORD, "action": "BLOCKED", "detected": True}
        found["wordPolicy"] = {"customWords": [word], "managedWordLists": []}
    if MASKED_WORD in text:
        entity = {"type": "NAME", "match": MASKED_WORD, "action": "ANONYMIZED", "detected": True}
        found["sensitiveInformationPolicy"] = {"piiEntities": [entity], "regexes": []}
    coverage = {"textCharacters": {"guarded": len(text), "total": len(text)}}
    metrics = {
        "guardrailProcessingLatency": 100,
        "usage": _usage(text),
        "guardrailCoverage": coverage,
    }
    return {**found, "invocationMetrics": metrics}


def _usage(text: str) -> dict[str, int]:
    units = -(-len(text) // _CHARACTERS_PER_UNIT)
    charged = {"wordPolicyUnits", "topicPolicyUnits", "contentPolicyUnits"}
    return {name: units if name in charged else 0 for name in _UNITS}


def apply_guardrail(body: Any, guardrail: Guardrail) -> HttpResponse:
    """The answer of ApplyGuardrail; raises RefusedError for a body that is none."""
    content = body.get("content") if isinstance(body, Mapping) else None
    if not isinstance(content, list) or body.get("source") not in ("INPUT", "OUTPUT"):
        raise invalid("1 validation error detected: source and content must be given.")
    texts = [
        block["text"]["text"]
        for block in content
        if isinstance(block, dict)
        and isinstance(block.get("text"), dict)
        and isinstance(block["text"].get("text"), str)
    ]
    text = " ".join(texts)
    blocked, changed = BLOCKED_WORD in text, MASKED_WORD in text
    outputs = [BLOCKED_TEXT] if blocked else [masked(each) for each in texts] if changed else []
    whole = assessment(guardrail, text)
    payload = {
        "usage": whole["invocationMetrics"]["usage"],
        "action": "GUARDRAIL_INTERVENED" if blocked or changed else "NONE",
        "actionReason": "Guardrail blocked."
        if blocked
        else "Guardrail masked."
        if changed
        else "No action.",
        "outputs": [{"text": each} for each in outputs],
        "assessments": [whole],
        "guardrailCoverage": whole["invocationMetrics"]["guardrailCoverage"],
    }
    return json_response(200, payload)
