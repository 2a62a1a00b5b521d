"""Write the document and its page beside the function that serves them: python -m lambent_toolkit.openapi."""

from __future__ import annotations

from lambent_toolkit.openapi.files import write_files

write_files()
