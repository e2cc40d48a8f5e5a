"""TopstepX through the ProjectX Gateway API. README.md says what it can do; `TopstepX` in connect.py opens it."""
