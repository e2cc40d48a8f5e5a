"""What a person types: send, trace, replay, flatten, through the Supabase SDK as a signed-in user."""
