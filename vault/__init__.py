<<<<<<< HEAD
"""Keys and secrets: `keys.py` is what everything else knows of them.

`keys.py` has the protocols `KeySource`, `Signer` and `TokenHasher` (standard library only),
`memory.py` keys for development, `key_file.py` signing keys in files. The adapter to a real vault,
with leases, Transit and PKI, comes later.
=======
"""Keys and secrets: `keys.py` is what the rest knows, `key_file.py` keeps a signing key in a file.

Nothing is encrypted or fetched from Vault yet. This folder will hold further protocols of `keys.py`
(standard library only), `memory.py` for development, and the HashiCorp Vault adapter with leases,
Transit and PKI. Everything below `service` and `gateways` knows `keys.py` alone.
>>>>>>> ec757b09bdf806c0fb8319bce84097be2863639e
"""
