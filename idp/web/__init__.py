"""HTTP manners: guard, headers, cookies, transaction, rendering, errors, logs."""
