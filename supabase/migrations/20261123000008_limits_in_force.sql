-- Which limits count now. Whoever decides reads this view, never the table.
create view engine.limits_in_force as
select r.* from public.risk_settings r
where r.superseded_at is null
  -- What counts at once counts whatever the clock says: a transaction that waited for a lock has an old now(), and a
  -- clock may be set back. Only what waits for its day asks what day it is.
  and r.effective_from <= greatest(now(), r.created_at)
  and (r.ends_at is null or r.ends_at > now());
comment on view engine.limits_in_force is
'The row of limits that counts now, per scope: a change that tightens from its commit on, one that loosens from '
'effective_from on.';
