"""Lambda glue: settings, observability, wiring, HTTP errors."""
