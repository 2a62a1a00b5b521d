"""From a recipe to a published model version: train, quantize, evaluate in the serving interpreter, publish."""
