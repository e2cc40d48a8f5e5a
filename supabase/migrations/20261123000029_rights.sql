-- Who may execute what: everything is taken from everyone, then signed-in users get the verbs by name.
-- The whole matrix of roles and functions is in tests/security/test_functions.py.
revoke all on function private.connect_paper(text, text, numeric, public.margin_mode, text)
from public, anon, authenticated, service_role;
revoke all on function private.enable_account(uuid) from public, anon, authenticated, service_role;
revoke all on function private.disable_account(uuid) from public, anon, authenticated, service_role;
revoke all on function private.lock_account(uuid, timestamptz, text) from public, anon, authenticated, service_role;
revoke all on function private.unlock_account(uuid) from public, anon, authenticated, service_role;
revoke all on function private.create_endpoint(public.broker, text, uuid [], jsonb)
from public, anon, authenticated, service_role;
revoke all on function private.update_endpoint(uuid, jsonb) from public, anon, authenticated, service_role;
revoke all on function private.set_endpoint_accounts(uuid, uuid [], numeric [])
from public, anon, authenticated, service_role;
revoke all on function private.rotate_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function private.revoke_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function private.enable_endpoint(uuid, boolean) from public, anon, authenticated, service_role;
revoke all on function private.reveal_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function private.set_risk(jsonb, jsonb) from public, anon, authenticated, service_role;
revoke all on function private.set_loosen_delay(integer) from public, anon, authenticated, service_role;
revoke all on function private.cancel_pending_risk(jsonb) from public, anon, authenticated, service_role;
revoke all on function private.kill_switch(boolean, text, jsonb, boolean) from public, anon, authenticated, service_role;
revoke all on function private.submit_intent(jsonb, text, text) from public, anon, authenticated, service_role;
revoke all on function private.flatten(uuid [], text) from public, anon, authenticated, service_role;
revoke all on function private.close_position(bigint) from public, anon, authenticated, service_role;
revoke all on function private.cancel_order(bigint) from public, anon, authenticated, service_role;
revoke all on function private.admin_disable_account(uuid, text) from public, anon, authenticated, service_role;
revoke all on function private.admin_flatten(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.connect_paper(text, text, numeric, public.margin_mode, text)
from public, anon, authenticated, service_role;
revoke all on function public.enable_account(uuid) from public, anon, authenticated, service_role;
revoke all on function public.disable_account(uuid) from public, anon, authenticated, service_role;
revoke all on function public.lock_account(uuid, timestamptz, text) from public, anon, authenticated, service_role;
revoke all on function public.unlock_account(uuid) from public, anon, authenticated, service_role;
revoke all on function public.create_endpoint(public.broker, text, uuid [], jsonb)
from public, anon, authenticated, service_role;
revoke all on function public.update_endpoint(uuid, jsonb) from public, anon, authenticated, service_role;
revoke all on function public.set_endpoint_accounts(uuid, uuid [], numeric [])
from public, anon, authenticated, service_role;
revoke all on function public.rotate_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function public.revoke_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function public.disable_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function public.enable_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function public.reveal_endpoint(uuid) from public, anon, authenticated, service_role;
revoke all on function public.set_risk(jsonb, jsonb) from public, anon, authenticated, service_role;
revoke all on function public.set_loosen_delay(integer) from public, anon, authenticated, service_role;
revoke all on function public.cancel_pending_risk(jsonb) from public, anon, authenticated, service_role;
revoke all on function public.kill_switch(boolean, text, jsonb, boolean) from public, anon, authenticated, service_role;
revoke all on function public.submit_intent(jsonb, text, text) from public, anon, authenticated, service_role;
revoke all on function public.flatten(uuid [], text) from public, anon, authenticated, service_role;
revoke all on function public.close_position(bigint) from public, anon, authenticated, service_role;
revoke all on function public.cancel_order(bigint) from public, anon, authenticated, service_role;
revoke all on function public.admin_disable_account(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.admin_flatten(uuid, text) from public, anon, authenticated, service_role;

grant execute on function private.connect_paper(text, text, numeric, public.margin_mode, text) to authenticated;
grant execute on function private.enable_account(uuid) to authenticated;
grant execute on function private.disable_account(uuid) to authenticated;
grant execute on function private.lock_account(uuid, timestamptz, text) to authenticated;
grant execute on function private.unlock_account(uuid) to authenticated;
grant execute on function private.create_endpoint(public.broker, text, uuid [], jsonb) to authenticated;
grant execute on function private.update_endpoint(uuid, jsonb) to authenticated;
grant execute on function private.set_endpoint_accounts(uuid, uuid [], numeric []) to authenticated;
grant execute on function private.rotate_endpoint(uuid) to authenticated;
grant execute on function private.revoke_endpoint(uuid) to authenticated;
grant execute on function private.enable_endpoint(uuid, boolean) to authenticated;
grant execute on function private.reveal_endpoint(uuid) to authenticated;
grant execute on function private.set_risk(jsonb, jsonb) to authenticated;
grant execute on function private.set_loosen_delay(integer) to authenticated;
grant execute on function private.cancel_pending_risk(jsonb) to authenticated;
grant execute on function private.kill_switch(boolean, text, jsonb, boolean) to authenticated;
grant execute on function private.submit_intent(jsonb, text, text) to authenticated;
grant execute on function private.flatten(uuid [], text) to authenticated;
grant execute on function private.close_position(bigint) to authenticated;
grant execute on function private.cancel_order(bigint) to authenticated;
grant execute on function private.admin_disable_account(uuid, text) to authenticated;
grant execute on function private.admin_flatten(uuid, text) to authenticated;
grant execute on function public.connect_paper(text, text, numeric, public.margin_mode, text) to authenticated;
grant execute on function public.enable_account(uuid) to authenticated;
grant execute on function public.disable_account(uuid) to authenticated;
grant execute on function public.lock_account(uuid, timestamptz, text) to authenticated;
grant execute on function public.unlock_account(uuid) to authenticated;
grant execute on function public.create_endpoint(public.broker, text, uuid [], jsonb) to authenticated;
grant execute on function public.update_endpoint(uuid, jsonb) to authenticated;
grant execute on function public.set_endpoint_accounts(uuid, uuid [], numeric []) to authenticated;
grant execute on function public.rotate_endpoint(uuid) to authenticated;
grant execute on function public.revoke_endpoint(uuid) to authenticated;
grant execute on function public.disable_endpoint(uuid) to authenticated;
grant execute on function public.enable_endpoint(uuid) to authenticated;
grant execute on function public.reveal_endpoint(uuid) to authenticated;
grant execute on function public.set_risk(jsonb, jsonb) to authenticated;
grant execute on function public.set_loosen_delay(integer) to authenticated;
grant execute on function public.cancel_pending_risk(jsonb) to authenticated;
grant execute on function public.kill_switch(boolean, text, jsonb, boolean) to authenticated;
grant execute on function public.submit_intent(jsonb, text, text) to authenticated;
grant execute on function public.flatten(uuid [], text) to authenticated;
grant execute on function public.close_position(bigint) to authenticated;
grant execute on function public.cancel_order(bigint) to authenticated;
grant execute on function public.admin_disable_account(uuid, text) to authenticated;
grant execute on function public.admin_flatten(uuid, text) to authenticated;
