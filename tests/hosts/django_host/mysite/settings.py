"""Settings as Django has them: a module of names in capitals."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = False
INSTALLED_APPS = ["assistant"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}

USE_GROQ = False
AWS_REGION = "eu-central-1"
AWS_ACCESS_KEY_ID = os.environ["AWS_ACCESS_KEY_ID"]
AWS_SECRET_ACCESS_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
AWS_ENDPOINT_URL_BEDROCK_RUNTIME = os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
BEDROCK_MODEL_ID = "eu.anthropic.claude-sonnet-4-6"
BEDROCK_TEMPERATURE = 0
LLM_CACHE_URL = BASE_DIR / "answers.json"
LLM_CACHE_TIMEOUT = 30
LLM_TIMEOUT = "30"
