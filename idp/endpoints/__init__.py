"""The machine endpoints and the authorization endpoint, one file each."""
