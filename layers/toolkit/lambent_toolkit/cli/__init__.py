"""The `lambent` command, a module a group of verbs."""
