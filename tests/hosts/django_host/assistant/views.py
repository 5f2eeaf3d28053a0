"""A view asks for a client each time, and the clients share one account."""

from typing import Any

from services.llm_client import LLMError, create_llm_client

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"hs_code": {"type": "string"}, "confidence": {"type": "number"}},
    "required": ["hs_code", "confidence"],
}


def classify(goods: str) -> dict[str, Any]:
    with create_llm_client() as client:
        try:
            answer = client.generate_structured(prompt=goods, schema=SCHEMA)
        except LLMError:
            return {"hs_code": None, "confidence": 0.0}
    return {"hs_code": answer["hs_code"], "confidence": answer["confidence"]}


def describe(code: str) -> str:
    with create_llm_client() as client:
        return client.generate(prompt=f"What is {code}?")
