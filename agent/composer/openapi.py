"""The OpenAPI description of the REST API."""


def document():
    return {"openapi": "3.0.3"}
