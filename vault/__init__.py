"""Keys and secrets. Empty so far: nothing is signed, encrypted or fetched from Vault yet.

This folder will hold `keys.py` (the protocols `KeySource`, `Signer` and `TokenHasher`, standard
library only), `memory.py` for development, and the HashiCorp Vault adapter with leases, Transit
and PKI. Everything below `service` and `gateways` will know `keys.py` alone.
"""
