"""Settings as a plain class: every value is the text that the environment holds."""

import os


class Config:
    USE_GROQ = os.environ.get("USE_GROQ", "true")
    GROQ_API_KEY = os.environ.get("GROQ_API_KEY", "")
    GROQ_MODEL = os.environ.get("GROQ_MODEL", "openai/gpt-oss-120b")
    GROQ_BASE_URL = os.environ.get("GROQ_BASE_URL", "")
    AWS_REGION = os.environ.get("AWS_REGION", "us-east-1")
    AWS_ACCESS_KEY_ID = os.environ.get("AWS_ACCESS_KEY_ID", "")
    AWS_SECRET_ACCESS_KEY = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")
    BEDROCK_MODEL_ID = os.environ.get("BEDROCK_MODEL_ID", "us.anthropic.claude-sonnet-4-6")
    BEDROCK_TEMPERATURE = "0.2"
    BEDROCK_MAX_TOKENS = "1000"
    LLM_MAX_RETRIES = "3"


settings = Config()
