"""Keys and secrets: `keys.py` is what the rest knows, `key_file.py` keeps a signing key in a file.

Nothing is encrypted or fetched from Vault yet. This folder will hold further protocols of `keys.py`
(standard library only), `memory.py` for development, and the HashiCorp Vault adapter with leases,
Transit and PKI. Everything below `service` and `gateways` knows `keys.py` alone.
"""
