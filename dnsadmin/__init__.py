"""The site: settings, URLs, ASGI entry point and API plumbing. Knows every app; no app knows it."""
