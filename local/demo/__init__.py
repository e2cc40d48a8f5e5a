"""`make demo`: the whole road shown on a running stack, through the public doors, with its numbers."""
