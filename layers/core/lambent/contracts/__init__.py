"""Wire models: what requests, answers, queue messages and artifact files look like."""
