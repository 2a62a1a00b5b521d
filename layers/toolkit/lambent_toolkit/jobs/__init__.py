"""Jobs of a running stack, over its HTTP door, as any user with a key has them."""
