"""Bedrock runtime's side: its paths, requests, answers, errors and models."""
