"""The live page of `batcheval dashboard`: what runs, what ran, and how figures move from run to run; it only reads."""
