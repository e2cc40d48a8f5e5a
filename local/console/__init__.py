"""What a person types: send, trace, replay, flatten, halt, through the Supabase SDK as a signed-in user."""
