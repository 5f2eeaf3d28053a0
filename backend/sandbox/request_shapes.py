"""The types of what requests may hold, as JSON Schemas; their readers check the values."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

Shape = Literal["groq chat", "converse", "claude", "prompt", "chat", "titan", "cohere"]


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(items: Any, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


def _or_null(*choices: Any) -> dict[str, Any]:
    return {"anyOf": [*choices, {"type": "null"}]}


# As data, since three bodies of some thirty members each would be that many type checks in code.
_STRING, _INTEGER, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_ANY_OBJECT = {"type": "object"}
_TOOL_CHOICES = {"enum": ["none", "auto", "required"]}
_STOPS = _list({"type": "string", "minLength": 1})
_PARTS = _list(_object(text=_STRING))
_TYPED_PARTS = _list(_object("type", type=_STRING, text=_STRING))

_SHAPES: dict[Shape, Any] = {
    "groq chat": _object(
        "model messages",
        messages=_list(
            _object(
                "role",
                role=_STRING,
                content=_or_null(_STRING, _TYPED_PARTS),
                tool_calls=_or_null(_list(_ANY_OBJECT)),
            ),
            least=1,
        ),
        response_format=_or_null(_object("type", type=_STRING, json_schema=_or_null(_ANY_OBJECT))),
        tools=_or_null(
            _list(
                _object(
                    "type",
                    type=_STRING,
                    function=_object("name", name=_STRING, parameters=_or_null(_ANY_OBJECT)),
                )
            )
        ),
        tool_choice=_or_null(_TOOL_CHOICES, _object(function=_object(name=_STRING))),
        stop=_or_null({"type": "string", "minLength": 1}, _STOPS),
        stream=_or_null({"type": "boolean"}),
        stream_options=_or_null(_object(include_usage=_or_null({"type": "boolean"}))),
        parallel_tool_calls=_or_null({"type": "boolean"}),
        include_reasoning=_or_null({"type": "boolean"}),
        **{
            name: _or_null(_STRING)
            for name in ("reasoning_effort", "reasoning_format", "service_tier", "user")
        },
        **{
            name: _or_null(_INTEGER)
            for name in ("n", "seed", "max_tokens", "max_completion_tokens")
        },
        **{
            name: _or_null(_NUMBER)
            for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty")
        },
    ),
    "converse": _object(
        messages=_list(_object("role content", role=_STRING, content=_PARTS)),
        system=_PARTS,
        inferenceConfig=_object(
            maxTokens=_INTEGER, temperature=_NUMBER, topP=_NUMBER, stopSequences=_STOPS
        ),
        toolConfig=_object(
            "tools",
            tools=_list(
                _object(toolSpec=_object("name inputSchema", name=_STRING, inputSchema=_ANY_OBJECT))
            ),
            toolChoice=_object(tool=_object("name", name=_STRING)),
        ),
        additionalModelRequestFields=_ANY_OBJECT,
        guardrailConfig=_ANY_OBJECT,
        outputConfig=_object(
            effort=_STRING,
            textFormat=_object(
                "type structure",
                structure=_object("jsonSchema", jsonSchema=_object("schema", schema=_STRING)),
            ),
        ),
    ),
    "claude": _object(
        messages=_list(
            _object("role content", role=_STRING, content={"anyOf": [_STRING, _TYPED_PARTS]}),
            least=1,
        ),
        system={"anyOf": [_STRING, _TYPED_PARTS]},
        max_tokens=_INTEGER,
        temperature=_NUMBER,
        top_p=_NUMBER,
        stop_sequences=_STOPS,
        tools=_list(_object("name", name=_STRING, input_schema=_ANY_OBJECT)),
        tool_choice=_object("type", type=_STRING, name=_STRING),
        output_config=_object(effort=_STRING, format=_object("type schema", type=_STRING)),
    ),
    "chat": _object(
        messages=_list(
            _object(
                "role",
                role=_STRING,
                content=_or_null(_STRING, _TYPED_PARTS),
                tool_calls=_or_null(_list(_ANY_OBJECT)),
            ),
            least=1,
        ),
        tools=_list(_object(function=_object("name", name=_STRING))),
        stop=_or_null(_STRING, _STOPS),
        temperature=_or_null(_NUMBER),
        top_p=_or_null(_NUMBER),
        max_tokens=_or_null(_INTEGER),
        max_completion_tokens=_or_null(_INTEGER),
    ),
    "titan": _object(
        inputText={"type": "string", "minLength": 1},
        textGenerationConfig=_object(
            maxTokenCount=_INTEGER, temperature=_NUMBER, topP=_NUMBER, stopSequences=_STOPS
        ),
    ),
    "cohere": _object(
        message={"type": "string", "minLength": 1},
        prompt={"type": "string", "minLength": 1},
        max_tokens=_INTEGER,
        temperature=_NUMBER,
        p=_NUMBER,
        k=_NUMBER,
        stop_sequences=_STOPS,
        chat_history=_list(_object(role=_STRING, message=_STRING)),
    ),
    "prompt": _object(
        prompt={"type": "string", "minLength": 1},
        max_gen_len=_INTEGER,
        max_tokens=_INTEGER,
        max_tokens_to_sample=_INTEGER,
        stop_sequences=_STOPS,
        temperature=_NUMBER,
        top_p=_NUMBER,
        stop=_STOPS,
    ),
}


def shape_error(body: Any, shape: Shape) -> tuple[tuple[str, ...], str] | None:
    """The path and the description of the first thing of a wrong type in a body, or None."""
    error = next(iter(_validator(shape).iter_errors(body)), None)
    return None if error is None else (tuple(map(str, error.instance_path)), str(error.message))


@cache
def _validator(shape: Shape) -> Any:
    import jsonschema_rs  # wanted by no request but those to a model

    return jsonschema_rs.Draft202012Validator(_SHAPES[shape])
