"""The operator's keys: the offline root, the fleet's sealing keys, the passwords of our database roles."""
