"""What a stack costs: while nothing happens, for a million predictions, and for what grows with use."""
