"""The OpenAPI 3.1 document of the HTTP door and its page, made while building; functions/jobs serves both as files.

``document`` puts together what the ``routes_*`` modules say of each route, ``schemas`` what bodies look like (taken
from the contracts wherever they are msgspec structs), and ``error_answers`` what can go wrong. ``page`` renders it.
"""
