"""Keys and secrets: `keys.py` is what everything else knows of them.

`keys.py` has the protocols `KeySource`, `Signer` and `TokenHasher` (standard library only),
`memory.py` keys for development, `key_file.py` signing keys in files with a passphrase. The adapter
to a real vault, with leases, Transit and PKI, comes later.
"""
