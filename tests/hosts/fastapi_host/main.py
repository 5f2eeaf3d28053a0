"""A desk that classifies goods: one client for each worker process."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from config import get_settings
from services.llm_client import (
    BedrockClient,
    GroqClient,
    LLMError,
    RateLimitError,
    create_llm_client,
)

Client = GroqClient | BedrockClient


class Goods(BaseModel):
    description: str


class Classification(BaseModel):
    hs_code: str
    reason: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with create_llm_client() as client:
        app.state.client = client
        yield


app = FastAPI(title=get_settings().APP_NAME, lifespan=lifespan)


def client_of(request: Request) -> Client:
    client: Client = request.app.state.client
    return client


Lent = Annotated[Client, Depends(client_of)]


@app.get("/worker")
def worker() -> int:
    return os.getpid()


@app.post("/ask")
async def ask(goods: Goods, client: Lent) -> dict[str, str | int]:
    try:
        reply = await client.arespond(
            goods.description,
            system_prompt="You know the tariff.",
            temperature=None,
            top_p=0.9,
            stop=["\n\n\n"],
            service_tier="default",
            extra_headers={"X-Desk": "tariff"},
        )
    except RateLimitError as error:
        wait = "60" if error.retry_after is None else f"{error.retry_after:.0f}"
        raise HTTPException(429, "try again", headers={"Retry-After": wait}) from error
    except LLMError as error:
        raise HTTPException(502, "the model does not answer") from error
    return {"text": reply.text, "tokens": reply.usage.total_tokens or 0, "worker": os.getpid()}


@app.post("/classify")
def classify(goods: Goods, client: Lent) -> Classification:
    if isinstance(client, GroqClient):
        # An option that this library has no name for is the provider's own.
        return client.generate_structured(goods.description, Classification, presence_penalty=0)
    return client.generate_structured(goods.description, Classification)


@app.post("/tell")
async def tell(goods: Goods, client: Lent) -> StreamingResponse:
    stream = client.astream(goods.description, system_prompt="You know the tariff.")
    return StreamingResponse(stream.sse(), media_type="text/event-stream")
