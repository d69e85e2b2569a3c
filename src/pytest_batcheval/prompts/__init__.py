"""Request bodies from prompt functions and their arguments; `judge` and `pairwise` make prompts of prompts."""

from pytest_batcheval.prompts.judged import judge, pairwise

__all__ = ["judge", "pairwise"]
