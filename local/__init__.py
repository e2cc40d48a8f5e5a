"""The embedded stack: Postgres, a Supabase-compatible gateway and the edge functions on one machine."""
