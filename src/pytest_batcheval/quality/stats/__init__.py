"""Statistics without knowledge of personas: resampling, intervals, distances, agreement."""
