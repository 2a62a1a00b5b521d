"""Everything that `lambent evaluate` and `lambent compare` measure, and the pages that show it."""
