"""A simulated TopstepX: the ProjectX Gateway API, as the unmodified client `project-x-py` speaks it."""
