"""Groq's side: its paths, requests, answers, errors and models."""
