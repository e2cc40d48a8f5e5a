"""The commands of a person at a terminal: send, trace, replay, flatten. They use the Supabase SDK as a signed-in user."""
